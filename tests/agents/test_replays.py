"""Replays of past calls: queued, carried out by a stand-in, kept, forgotten; and the command."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Workspace
from accounts.roles import Role
from agents.models import Agent, Rehearsal
from agents.rehearsing import rehearsals
from agents.rehearsing.replays import MAX_REPLAYED_CALLS
from telephony.models import Call, CallEvent, Turn
from telephony.services.erasure import erase_calls
from tests import make
from tests.agents.scripts import REPLAY
from voiceops.core.ids import uuid7

AT = timezone.now().replace(microsecond=0) - timedelta(days=1)


def talked(of: Workspace, **fields: Any) -> Call:
    """Create a call with a turn of its callee and a key that they pressed."""
    values = {"stage": "ended", "end_reason": "callee_hangup", "dialed_at": AT, "ended_at": AT}
    call = make.call(of, variables={"first_name": "Ada"}, **{**values, **fields})
    Turn.unscoped.create(
        workspace=of, call=call, role="callee", text="I am Ada", started_at=AT, external_id="1"
    )
    for external_id in ("2", None):  # an operator pressed the other
        CallEvent.unscoped.create(
            workspace=of,
            call=call,
            type="dtmf",
            text="1",
            at=AT,
            data={"digits": "1"},
            external_id=external_id,
        )
    return call


def test_turns_of_callees_are_replayed_and_kept_beside_the_calls(
    ours: Workspace, agent: Agent, program: Any, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    program(act=f"open({str(seen)!r}, 'w').write(json.dumps(given))")
    client = make.client(ours, Role.MANAGER)
    call, other = talked(ours), talked(ours, stage="in_progress")
    page = f"/agents/{agent.pk}/rehearsals"

    unfinished = client.post(page, {"replay": [str(other.pk)]})
    ordered = client.post(page, {"replay": [str(call.pk), str(call.pk)]})
    rehearsals.run_waiting_rehearsals()

    refusal = {"detail": f"The call {other.pk} has no transcript to replay"}
    assert (unfinished.status_code, unfinished.json()) == (400, refusal)
    body = ordered.json()
    assert (ordered.status_code, body["status"], body["mode"]) == (201, "queued", "text")
    assert (body["replay"], body["scripts"]) == ([str(call.pk)], None)
    at = AT.isoformat()
    assert json.loads(seen.read_text())["calls"] == [
        {
            "call_id": str(call.pk),
            "agent_version": 1,
            "variables": {"first_name": "Ada"},
            "end_reason": "callee_hangup",
            "ended_at": at,
            "events": [
                {"type": "turn", "at": at, "role": "callee", "text": "I am Ada", "ended_at": None},
                {"type": "dtmf", "at": at, "digits": "1"},
            ],
        }
    ]
    over = client.get(f"{page}/{body['id']}").json()
    [result] = over["results"]
    assert (over["status"], result["name"]) == ("passed", str(call.pk))
    assert result["replay"] == {**REPLAY, "call_id": str(call.pk)}


@pytest.mark.parametrize(
    ("changes", "where", "problem"),
    [
        ({"scripts": ["smoke"]}, "replay", "give either scripts or calls"),
        ({"mode": "audio"}, "mode", "calls are replayed in text"),
        ({"replay": []}, "replay", "ensure this value has at least 1 items"),
        (
            {"replay": [str(uuid7()) for _ in range(MAX_REPLAYED_CALLS + 1)]},
            "replay",
            "ensure this value has at most 20 items",
        ),
    ],
)
def test_an_order_that_cannot_be_meant_is_refused_at_its_place(
    ours: Workspace, agent: Agent, changes: dict[str, Any], where: str, problem: str
) -> None:
    body = {"replay": [str(talked(ours).pk)], **changes}

    answer = make.client(ours, Role.MANAGER).post(f"/agents/{agent.pk}/rehearsals", body)

    [error] = answer.json()["detail"]
    assert (answer.status_code, error["loc"], error["msg"]) == (422, ["body", where], problem)


def test_a_call_of_another_workspace_is_not_found(
    ours: Workspace, theirs: Workspace, agent: Agent
) -> None:
    calls = [str(talked(ours).pk), str(talked(theirs).pk)]

    answer = make.client(ours, Role.MANAGER).post(
        f"/agents/{agent.pk}/rehearsals", {"replay": calls}
    )

    assert (answer.status_code, answer.json()) == (404, {"detail": "Call not found"})
    assert not Rehearsal.unscoped.exists()


def test_a_replay_does_not_open_the_gate_of_publishing(ours: Workspace, agent: Agent) -> None:
    scripts = make.scripts(agent)
    Workspace.unscoped.update(publish_requires=["smoke"])
    make.rehearsal(
        agent,
        replay=[str(talked(ours).pk)],
        status="passed",
        fingerprint=rehearsals.fingerprint_of(agent, scripts.content),
        results=[{"name": "greets", "passed": True}],
    )

    answer = make.client(ours, Role.MANAGER).post(f"/agents/{agent.pk}/publish")

    assert answer.json() == {"detail": "Rehearsal required"}


@pytest.mark.parametrize("way", ["retention", "erasure"])
def test_words_of_a_call_are_deleted_with_its_transcript(
    ours: Workspace, agent: Agent, program: Any, way: str
) -> None:
    program()
    gone, kept = talked(ours), talked(ours, to_number="+12025550187")
    rehearsals.order_replay(agent=agent, call_ids=[gone.pk, kept.pk])
    rehearsals.run_waiting_rehearsals()

    if way == "erasure":
        assert list(erase_calls(ours, gone.to_number)) == [gone]
    else:
        make.client(ours).patch(f"/workspaces/{ours.pk}", {"transcript_retention_days": 30})
        Call.unscoped.filter(pk=gone.pk).update(ended_at=AT - timedelta(days=31))
        call_command("prune")

    first, second = Rehearsal.unscoped.get().results
    assert "Ada" not in json.dumps(first)
    assert (first["turns"], first["replay"]["exchanges"]) == ([], [])
    assert second["replay"] == {**REPLAY, "call_id": str(kept.pk)}


def test_the_command_shows_both_side_by_side(
    ours: Workspace, agent: Agent, program: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    program()
    call = talked(ours)

    call_command("rehearse", str(agent.pk), "--replay", str(call.pk))

    assert capsys.readouterr().out.splitlines() == [
        f"--- {call.pk}: differs in words, end_reason",
        "  callee: I am Ada",
        "    then: (nothing)",
        "     now: Hello!",
        "  ended by callee_hangup then, by agent_hangup now",
    ]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--mode", "audio"], "Calls are replayed in text, and without scripts."),
        ([str(uuid7())] * MAX_REPLAYED_CALLS, "No more than 20 calls are replayed at once."),
        ([], "Call not found."),
    ],
)
def test_the_command_refuses_what_cannot_be_replayed(
    agent: Agent, options: list[str], problem: str
) -> None:
    with pytest.raises(CommandError, match=problem):
        call_command("rehearse", agent.name, "--replay", str(uuid7()), *options)
