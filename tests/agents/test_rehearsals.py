"""Rehearsals of agents: queued, carried out, kept; and the command."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Workspace
from accounts.roles import Role
from agents.models import Agent, Rehearsal, RehearsingWorker
from agents.rehearsing import able_workers, rehearsals, voice_program
from tests import make
from tests.agents.scripts import CONTENT


def run_all() -> None:
    rehearsals.run_waiting_rehearsals()


def body_of(rehearsal: Rehearsal, **changes: Any) -> dict[str, Any]:
    rehearsal.refresh_from_db()

    def at(time: Any) -> Any:
        return time and time.isoformat().replace("+00:00", "Z")

    return {
        "id": str(rehearsal.pk),
        "agent_id": str(rehearsal.agent_id),
        "version": 1,
        "mode": "text",
        "scripts": None,
        "replay": None,
        "status": "queued",
        "error": None,
        "passed": 0,
        "failed": 0,
        "created_at": at(rehearsal.created_at),
        "started_at": at(rehearsal.started_at),
        "ended_at": at(rehearsal.ended_at),
        "results": [],
        **changes,
    }


def test_a_rehearsal_is_queued_and_carried_out(ours: Workspace, agent: Agent, program: Any) -> None:
    program()
    make.scripts(agent, content=CONTENT)
    client = make.client(ours, Role.MANAGER)

    ordered = client.post(f"/agents/{agent.pk}/rehearsals", {"scripts": ["dates"]})

    rehearsal = Rehearsal.unscoped.get()
    assert (ordered.status_code, ordered.json()) == (201, body_of(rehearsal, scripts=["dates"]))
    run_all()
    page = f"/agents/{agent.pk}/rehearsals"
    result = {
        "name": "moves",
        "tags": ["smoke", "dates"],
        "passed": True,
        "failures": [],
        "end_reason": "agent_hangup",
        "seconds": 0.1,
        "heard": [],
        "turns": [{"role": "agent", "text": "Hello!"}],
        "tools": [{"name": "move", "arguments": {"day": "Friday"}}],
        "replay": None,
    }
    over = {"scripts": ["dates"], "status": "passed", "passed": 1}
    detail = body_of(rehearsal, **over, results=[result])
    assert client.get(f"{page}/{rehearsal.pk}").json() == detail
    listed = {name: value for name, value in detail.items() if name != "results"}
    assert client.get(page).json()["items"] == [listed]


def test_a_failed_script_fails_the_rehearsal(agent: Agent, program: Any) -> None:
    program(passed=False)
    make.scripts(agent, content=CONTENT)
    rehearsal = rehearsals.order_rehearsal(agent=agent)

    run_all()

    rehearsal.refresh_from_db()
    assert (rehearsal.status, rehearsal.results[0]["failures"]) == ("failed", ["No"])


@pytest.mark.parametrize(
    ("act", "error"),
    [
        ("sys.exit(print('acme needs a key', file=sys.stderr) or 2)", "acme needs a key"),
        (
            "sys.exit(print(f'{file} has no agent', file=sys.stderr) or 2)",
            "The scripts has no agent",
        ),
        ("sys.exit(3)", "The voice worker failed: it ended with 3"),
        ("sys.exit(print('[]'))", "The voice worker's answer cannot be read"),
        ("time.sleep(60)", "It was not over after 1 seconds"),
    ],
)
def test_what_cannot_be_rehearsed_says_why(
    agent: Agent, program: Any, monkeypatch: pytest.MonkeyPatch, act: str, error: str
) -> None:
    program(act=act)
    monkeypatch.setitem(voice_program.REHEARSAL_TIMEOUT_SECONDS, "text", 1.0)
    make.scripts(agent, content=CONTENT)
    rehearsal = rehearsals.order_rehearsal(agent=agent)

    run_all()

    rehearsal.refresh_from_db()
    assert (rehearsal.status, rehearsal.error, rehearsal.results) == ("error", error, [])


def test_without_a_voice_worker_it_says_so(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(voice_program, "VOICE_PYTHON", tmp_path / "missing")
    make.scripts(agent)
    rehearsal = rehearsals.order_rehearsal(agent=agent)

    run_all()

    rehearsal.refresh_from_db()
    assert (rehearsal.status, rehearsal.error) == (
        "error",
        "No voice worker is installed here. Install it with: make worker",
    )


def test_a_worker_without_the_program_leaves_rehearsals_to_one_that_has_it(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(voice_program, "VOICE_PYTHON", tmp_path / "missing")
    make.scripts(agent)
    rehearsal = rehearsals.order_rehearsal(agent=agent)
    able = make.rehearsing_worker()

    run_all()
    rehearsal.refresh_from_db()
    left = rehearsal.status
    able_workers.report_rehearsing()  # this one cannot
    reported = list(RehearsingWorker.objects.values_list("name", flat=True))
    RehearsingWorker.objects.update(seen_at=timezone.now() - 2 * able_workers.SEEN_AGE)
    run_all()
    rehearsal.refresh_from_db()

    assert (left, reported) == ("queued", [able.name])
    assert (rehearsal.status, rehearsal.error) == ("error", voice_program.VOICE_NOT_INSTALLED)


def test_a_worker_with_the_program_reports_it_once_a_minute(program: Any, db: None) -> None:
    program()
    gone = make.rehearsing_worker(seen_at=timezone.now() - 2 * able_workers.SEEN_AGE)

    able_workers.report_rehearsing()
    first = RehearsingWorker.objects.get()
    able_workers.report_rehearsing()

    assert first.name != gone.name
    assert RehearsingWorker.objects.get().seen_at == first.seen_at
    assert able_workers.is_left_to_others() is False


def test_headers_of_tools_do_not_reach_the_program(
    agent: Agent, program: Any, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    program(act=f"open({str(seen)!r}, 'w').write(json.dumps(given['agent']))")
    tool = {"type": "webhook", "name": "move", "url": "https://example.com"}
    agent.set_draft(
        {
            **agent.config(),
            "llm": {"provider": "local", "rules": [{"says": "Hi"}]},
            "tools": [{**tool, "headers": {"X-Key": "s3cret"}}],
        }
    )
    agent.save()
    make.scripts(agent, content=CONTENT)
    rehearsals.order_rehearsal(agent=agent)

    run_all()

    assert "s3cret" not in seen.read_text()
    assert '"rules"' in seen.read_text()


def test_a_rehearsal_whose_worker_was_killed_is_carried_out_by_another(
    agent: Agent, program: Any
) -> None:
    program()
    make.scripts(agent, content=CONTENT)
    lost = make.rehearsal(agent, status="running", lease_expires_at=timezone.now())
    held = make.rehearsal(
        agent, status="running", lease_expires_at=timezone.now() + timedelta(hours=1)
    )

    run_all()

    lost.refresh_from_db()
    held.refresh_from_db()
    assert (lost.status, held.status) == ("passed", "running")


def test_a_running_rehearsal_keeps_its_lease(
    agent: Agent, program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(act="time.sleep(0.4)")
    monkeypatch.setattr(voice_program, "REHEARSAL_BEAT_SECONDS", 0.05)
    make.scripts(agent, content=CONTENT)
    rehearsal = rehearsals.order_rehearsal(agent=agent)
    rehearsals.claim_rehearsal(rehearsal.pk)
    agent.rehearsals.update(lease_expires_at=timezone.now())
    held = agent.rehearsals.select_related("agent").get()
    leases: list[datetime] = []
    extend = rehearsals._extend_lease

    def watch(each: Rehearsal) -> None:
        extend(each)
        expires_at = agent.rehearsals.get().lease_expires_at
        assert expires_at is not None
        leases.append(expires_at)

    monkeypatch.setattr(rehearsals, "_extend_lease", watch)
    rehearsals.run_rehearsal(held)

    assert min(leases) > timezone.now() + timedelta(seconds=20)
    assert held.status == "passed"


def test_a_worker_that_was_held_up_does_not_undo_what_another_found(
    agent: Agent, program: Any
) -> None:
    program()
    make.scripts(agent, content=CONTENT)
    rehearsal = rehearsals.order_rehearsal(agent=agent)
    rehearsals.claim_rehearsal(rehearsal.pk)
    slow = agent.rehearsals.select_related("agent").get()
    agent.rehearsals.update(lease_expires_at=timezone.now() - timedelta(seconds=1))

    run_all()
    program(passed=False)

    assert rehearsals.run_rehearsal(slow) is False
    assert agent.rehearsals.get().status == "passed"


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "Agent has no scripts"),
        ({"scripts": ["other"]}, "No script has the label or tag other"),
    ],
)
def test_what_is_not_there_is_not_rehearsed(
    ours: Workspace, agent: Agent, body: dict[str, Any], detail: str
) -> None:
    if body:
        make.scripts(agent)

    answer = make.client(ours, Role.MANAGER).post(f"/agents/{agent.pk}/rehearsals", body)

    assert (answer.status_code, answer.json()) == (400, {"detail": detail})


def test_rehearsals_that_wait_are_limited(ours: Workspace, agent: Agent) -> None:
    make.scripts(agent)
    for _ in range(rehearsals.MAX_WAITING_REHEARSALS):
        make.rehearsal(agent)

    answer = make.client(ours, Role.MANAGER).post(f"/agents/{agent.pk}/rehearsals", {})

    assert (answer.status_code, answer.json()) == (
        400,
        {"detail": "Too many rehearsals are waiting"},
    )


def test_the_newest_are_kept(agent: Agent) -> None:
    make.scripts(agent)
    for _ in range(rehearsals.MAX_KEPT_REHEARSALS):
        make.rehearsal(agent, status="passed")

    newest = rehearsals.order_rehearsal(agent=agent)

    assert agent.rehearsals.count() == rehearsals.MAX_KEPT_REHEARSALS
    assert agent.rehearsals.filter(pk=newest.pk).exists()


@pytest.mark.parametrize("rows", [1, 3])
def test_the_list_costs_the_same_queries_for_any_number_of_rows(
    ours: Workspace, agent: Agent, rows: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(rows):
        make.rehearsal(agent)
    client = make.client(ours)
    client.get("/agents")  # the key's first use is recorded

    with django_assert_num_queries(3):  # key, agent, page with its total
        body = client.get(f"/agents/{agent.pk}/rehearsals").json()

    assert body["total"] == rows


# --- the command


def test_the_command_rehearses_by_name_and_keeps_the_result(
    agent: Agent, program: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    program()
    make.scripts(agent, content=CONTENT)

    call_command("rehearse", agent.name)

    assert capsys.readouterr().out == "--- moves\n  agent: Hello!\n1 of 1 scripts passed\n"
    assert Rehearsal.unscoped.get().status == "passed"


def test_the_command_fails_with_a_script(agent: Agent, program: Any) -> None:
    program(passed=False)
    make.scripts(agent, content=CONTENT)

    with pytest.raises(CommandError, match=r"Not every script passed\."):
        call_command("rehearse", str(agent.pk))
    with pytest.raises(CommandError, match="No agent is 'Nobody'"):
        call_command("rehearse", "Nobody")


def test_a_rehearsal_that_fails_unexpectedly_holds_back_no_other(
    ours: Workspace, theirs: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = []
    for workspace in (ours, theirs):
        agent = make.agent(workspace, published=False)
        make.scripts(agent)
        waiting.append(make.rehearsal(agent))
    answers: Iterator[list[Any]] = iter(
        [[{"events": []}], []]
    )  # the first lacks everything that is kept

    monkeypatch.setattr(voice_program, "rehearse_in_child", lambda *_, **__: next(answers))
    run_all()

    found = [Rehearsal.unscoped.get(pk=each.pk) for each in waiting]
    assert [(each.status, each.error, each.lease_expires_at) for each in found] == [
        ("error", "It failed unexpectedly; the worker's log says why", None),
        ("passed", None, None),
    ]
