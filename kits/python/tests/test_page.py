"""Every example of docs/kits.md runs as it is written there."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from examples import whole_job

from tests.installation import ROOT, Installation
from voiceops import VoiceOps

PAGE = (ROOT / "docs/kits.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
COMMANDS = [line for language, code in BLOCKS if language == "sh" for line in code.splitlines()]


@pytest.fixture
def environment(
    installation: Installation, voiceops: VoiceOps, list_file: Path, tmp_path: Path
) -> dict[str, str]:
    """A login, an agent, a number and a list, as the page presumes them."""
    whole_job.prepare_agent(voiceops)
    whole_job.prepare_number(voiceops)
    login = {"VOICEOPS_URL": installation.url, "VOICEOPS_API_KEY": installation.api_key}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, **login, "PATH": path, "XDG_CONFIG_HOME": str(tmp_path / "home")}


@pytest.mark.parametrize("code", PYTHON[:2], ids=["blocking", "asyncio"])
def test_its_programs_run(
    code: str, environment: dict[str, str], installation: Installation, tmp_path: Path
) -> None:
    given = f"url, api_key = {installation.url!r}, {installation.api_key!r}\n"

    done = subprocess.run(
        [sys.executable, "-c", given + code],
        env=environment,
        cwd=tmp_path,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_its_webhook_receiver_runs() -> None:
    (code,) = PYTHON[2:]
    names: dict[str, object] = {"secret": "whsec_MDEyMw=="}

    exec(code, names)  # noqa: S102  # the page's own code

    receive = names["receive"]
    assert callable(receive)
    assert receive(b"{}", {}) == 400


def test_its_commands_run_one_after_the_other(environment: dict[str, str], tmp_path: Path) -> None:
    script = "set -euxo pipefail\n" + "\n".join(COMMANDS)

    done = subprocess.run(
        ["bash", "-c", script],
        env=environment,
        cwd=tmp_path,
        text=True,
        capture_output=True,
        timeout=90,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "agents/reminder/agent.json").exists()
    assert len(COMMANDS) == done.stderr.count("+ voiceops ")


def test_the_wheel_has_the_generated_layer(tmp_path: Path) -> None:
    build = [
        str(Path(sys.executable).parent / "hatchling"),
        "build",
        "-t",
        "wheel",
        "-d",
        str(tmp_path),
    ]
    subprocess.run(build, cwd=ROOT / "kits/python", check=True, timeout=60, capture_output=True)

    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name in PAGE
    assert {
        "voiceops/py.typed",
        "voiceops/_generated/models.py",
        "voiceops/_generated/operations.py",
        "voiceops/cli/commands.py",
    } <= set(names)
    assert not [name for name in names if name.startswith(("tests", "examples"))]
