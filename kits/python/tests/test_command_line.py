"""`voiceops` as it is typed, against a real installation."""

import json
import os
import pty
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import pytest
from examples import whole_job

from tests.installation import NUMBER, Installation
from voiceops import VoiceOps

SCRIPT = Path(sys.executable).parent / "voiceops"
AGENT = whole_job.AGENT_NAME


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Terminal:
    """Runs commands with the variables of a login, in a home of their own."""

    def __init__(self, home: Path, **variables: str) -> None:
        self.variables = {**os.environ, "XDG_CONFIG_HOME": str(home), "NO_COLOR": "", **variables}

    def run(self, *arguments: str, typed: str = "") -> Done:
        done = subprocess.run(
            [SCRIPT, *arguments],
            env=self.variables,
            input=typed,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def terminal(installation: Installation, tmp_path: Path) -> Terminal:
    login = {"VOICEOPS_URL": installation.url, "VOICEOPS_API_KEY": installation.api_key}
    return Terminal(tmp_path / "home", **login)


@pytest.fixture
def prepared(voiceops: VoiceOps) -> None:
    """An agent and a number to call with."""
    whole_job.prepare_agent(voiceops)
    whole_job.prepare_number(voiceops)


@pytest.mark.usefixtures("prepared")
def test_a_list_is_uploaded_started_followed_and_its_results_are_read(
    terminal: Terminal, list_file: Path, tmp_path: Path
) -> None:
    arguments = ("batches", "upload", str(list_file), "--agent", AGENT, "--number", NUMBER)
    preview = terminal.run(*arguments, "--preview")
    uploaded = terminal.run(*arguments, "--start", "--watch", "--json")
    batch = json.loads(uploaded.out)
    listed = terminal.run("batches", "list", "--status", "completed")
    shown = terminal.run("batches", "show", batch["id"])
    results = terminal.run("batches", "results", batch["id"])
    written = terminal.run("batches", "results", batch["id"], "-o", str(tmp_path / "r.xlsx"))
    reasons = terminal.run("batches", "reasons", batch["id"], "--json")
    calls = json.loads(terminal.run("calls", "list", "--batch", batch["id"], "--json").out)

    assert "       3  valid\n" in preview.out
    assert (uploaded.code, batch["status"], batch["counts"]["total"]) == (0, "completed", 3)
    assert json.loads(uploaded.err.splitlines()[-1])["status"] == "completed"
    assert batch["id"] in listed.out
    assert "status      completed\n" in shown.out
    assert results.out.splitlines()[0].startswith("phone,name,status,outcome")
    assert (written.code, (tmp_path / "r.xlsx").read_bytes()[:2]) == (0, b"PK")
    assert reasons == Done(0, "[]\n", "")
    assert {call["to"]: call["outcome"] for call in calls} == {
        "+12025550100": "answered",
        "+12025550160": "no_answer",
        "+12025550170": "busy",
    }
    call = next(call["id"] for call in calls if call["outcome"] == "answered")
    assert "agent: Hello Ada" in terminal.run("calls", "show", call).out


@pytest.mark.usefixtures("prepared")
def test_upload_without_start_calls_no_recipient_and_names_the_next_step(
    terminal: Terminal, voiceops: VoiceOps, list_file: Path
) -> None:
    uploaded = terminal.run(
        *("batches", "upload", str(list_file), "--agent", AGENT, "--number", NUMBER),
        *("--watch", "--json"),
    )
    batch = json.loads(uploaded.out)
    # One call every twenty seconds: it is not over before it is stopped.
    voiceops.batches.update(batch["id"], calls_per_second=0.05)
    started = terminal.run("batches", "start", batch["id"], "--json")
    paused = terminal.run("batches", "pause", batch["id"], "--json")
    resumed = terminal.run("batches", "resume", batch["id"], "--json")
    stopped = terminal.run("batches", "stop", batch["id"], "--hang-up", "--json")
    watched = terminal.run("batches", "watch", batch["id"])
    tail = terminal.run("calls", "tail", "--batch", batch["id"], "--until-idle")

    assert (uploaded.code, batch["status"]) == (0, "ready")
    assert uploaded.err == (
        f"The list is read. Start it with: voiceops batches start {batch['id']}\n"
    )
    statuses = [json.loads(done.out)["status"] for done in (started, paused, resumed, stopped)]
    assert statuses == ["running", "paused", "running", "stopped"]
    assert watched.code == 5
    assert watched.err.endswith("The batch is stopped: by a user\n")
    assert tail.code == 0


@pytest.mark.usefixtures("prepared")
def test_rejected_rows_are_printed_corrected_and_appended(
    terminal: Terminal, voiceops: VoiceOps, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("phone,name\n+12025550100,Ada\n12345,Grace\n")
    arguments = ("batches", "upload", str(file), "--agent", AGENT, "--number", NUMBER)
    batch = json.loads(terminal.run(*arguments, "--watch", "--json").out)["id"]

    rejected = terminal.run("batches", "rejected", batch)
    file.write_text(rejected.out.replace("12345,", "+12025550160,"))
    appended = terminal.run("batches", "append", batch, str(file), "--json")
    for _ in range(300):  # read in the background
        if voiceops.batches.get(batch).counts.total == 2:
            break
        time.sleep(0.1)
    numbers = json.loads(terminal.run("phone-numbers", "list", "--json").out)

    assert rejected.out.splitlines()[1].startswith("12345,Grace,3,invalid_number,")
    assert json.loads(appended.out)["id"] == batch
    assert [each.phone_number for each in voiceops.batches.recipients(batch)] == [
        "+12025550100",
        "+12025550160",
    ]
    assert NUMBER in [number["phone_number"] for number in numbers]


def test_agents_are_pulled_into_files_and_pushed_back(
    terminal: Terminal, voiceops: VoiceOps, tmp_path: Path
) -> None:
    voiceops.agents.create(name="Für Kunden", system_prompt="Be kind.\n\nBe brief.")
    folder = tmp_path / "agents"

    pulled = terminal.run("agents", "pull", str(folder), "--agent", "Für Kunden")
    unchanged = terminal.run("agents", "push", str(folder))
    prompt = folder / "für-kunden" / "system_prompt.txt"
    config = folder / "für-kunden" / "agent.json"
    assert prompt.read_text() == "Be kind.\n\nBe brief.\n"
    prompt.write_text("Be very kind.\n")
    dry = terminal.run("agents", "push", str(folder), "--dry-run")
    draft = voiceops.agents.find("Für Kunden").system_prompt
    pushed = terminal.run("agents", "push", str(folder), "--publish")
    config.write_text(config.read_text().replace("Für Kunden", "Copy"))
    created = terminal.run("agents", "push", str(folder))
    config.write_text("{")
    broken = terminal.run("agents", "push", str(folder))

    assert pulled.out == f"{folder / 'für-kunden'}: Für Kunden\n"
    assert unchanged.out == "unchanged  Für Kunden\n"
    assert (dry.out, draft) == (
        "would change  Für Kunden: system_prompt\n",
        "Be kind.\n\nBe brief.",
    )
    assert pushed.out == ("changed  Für Kunden: system_prompt\npublished  Für Kunden: version 1\n")
    assert created.out == "created  Copy\n"
    assert voiceops.agents.find("Copy").system_prompt == "Be very kind."
    assert (broken.code, broken.err.startswith(f"{folder / 'für-kunden'} cannot be read: ")) == (
        1,
        True,
    )


def test_numbers_are_suppressed_one_by_one_or_from_a_file(
    terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "numbers.csv"
    file.write_text("phone\n+12025550112\n+12025550113\n")
    added = terminal.run("suppressions", "add", "+12025550114", "--reason", "asked", "--json")
    uploaded = terminal.run("suppressions", "add", "--file", str(file))
    listed = terminal.run("suppressions", "list", "--search", "0114")
    neither = terminal.run("suppressions", "add")

    assert [entry["reason"] for entry in json.loads(added.out)] == ["asked"]
    assert uploaded.out == "2 added, 0 already, 0 rejected_count\n"
    assert "+12025550114" in listed.out
    assert neither == Done(1, "", "Name numbers, or a --file with numbers: one of both.\n")


def test_a_login_is_stored_for_its_user_alone(installation: Installation, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    terminal.variables.pop("VOICEOPS_URL", None)
    terminal.variables.pop("VOICEOPS_API_KEY", None)

    before = terminal.run("agents", "list")
    login = terminal.run("login", "--url", installation.url, typed=f"{installation.api_key}\n")
    after = terminal.run("agents", "list")
    elsewhere = Terminal(tmp_path, VOICEOPS_URL="http://127.0.0.1:9").run("agents", "list")
    stored = tmp_path / "voiceops" / "login.json"
    mode = stored.stat().st_mode & 0o777
    terminal.run("logout")

    assert before == Done(
        4,
        "",
        "No server is named: neither by VOICEOPS_URL nor by a login.\n"
        "Log in with: voiceops login\n",
    )
    assert login.out == f"Logged in to {installation.url}; stored in {stored}\n"
    assert (after.code, mode, stored.exists()) == (0, 0o600, False)
    assert elsewhere.code == 4  # the stored key goes to its own server only


@pytest.mark.usefixtures("prepared")
def test_failures_are_a_sentence_a_hint_and_an_exit_code(
    terminal: Terminal, installation: Installation, list_file: Path, tmp_path: Path
) -> None:
    unknown = terminal.run("batches", "show", "b1")
    agent = terminal.run("batches", "upload", str(list_file), "--agent", "Nobody")
    wrong = Terminal(tmp_path, VOICEOPS_URL=installation.url, VOICEOPS_API_KEY="vo_wrong")
    refused = wrong.run("batches", "list")
    usage = terminal.run("batches", "show")
    number = terminal.run("batches", "upload", str(list_file), "--agent", AGENT, "--number", "+1")

    assert unknown == Done(1, "", "Batch not found (404 batch_not_found)\n")
    assert agent == Done(
        1,
        "",
        "There is no agent named 'Nobody'\nSee what there is with: voiceops agents list\n",
    )
    assert number == Done(
        1,
        "",
        "There is no phone number +1\nSee what there is with: voiceops phone-numbers list\n",
    )
    assert (refused.code, refused.err.splitlines()[-1]) == (4, "Log in again with: voiceops login")
    assert usage.code == 2


def test_colours_are_for_terminals_alone(
    terminal: Terminal, voiceops: VoiceOps, list_file: Path
) -> None:
    agent, number = whole_job.prepare_agent(voiceops), whole_job.prepare_number(voiceops)
    voiceops.batches.upload(list_file, agent_id=agent.id, phone_number_id=number.id)

    def on_terminal(**variables: str) -> bytes:
        ours, theirs = pty.openpty()
        subprocess.run(
            [SCRIPT, "batches", "list", "--limit", "1"],
            env={**terminal.variables, **variables},
            stdout=theirs,
            check=True,
            timeout=60,
        )
        os.close(theirs)
        written = os.read(ours, 10_000)
        os.close(ours)
        return written

    assert b"\x1b[" in on_terminal()
    assert b"\x1b[" not in on_terminal(NO_COLOR="1")
    assert "\x1b[" not in terminal.run("batches", "list").out


def test_every_command_has_help_and_the_shell_completes(terminal: Terminal, tmp_path: Path) -> None:
    help_pages = [
        terminal.run(*command, "--help")
        for command in ((), ("batches",), ("batches", "upload"), ("calls", "tail"), ("mcp",))
    ]
    typed = {"_VOICEOPS_COMPLETE": "complete_bash", "COMP_WORDS": "voiceops ba", "COMP_CWORD": "1"}
    terminal.variables |= typed
    completion = terminal.run()
    version = Terminal(tmp_path).run("--version")

    assert version == Done(0, f"voiceops {metadata.version('voiceops')}\n", "")
    assert all(page.code == 0 and "Usage: voiceops" in page.out for page in help_pages)
    assert completion.out == "batches\n"
