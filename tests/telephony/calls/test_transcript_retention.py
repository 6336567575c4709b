from datetime import timedelta
from typing import Any

from django.core.management import call_command
from django.utils import timezone

from accounts.models import Workspace
from telephony.models import Call, CallEvent, Turn
from tests import make


def talked(of: Workspace, *, days_ago: int) -> Call:
    """Create an ended call with a transcript, a tool call and an analysis."""
    at = timezone.now() - timedelta(days=days_ago)
    call = make.call(
        of, stage="ended", outcome="answered", dialed_at=at, answered_at=at, ended_at=at
    )
    Turn.unscoped.create(
        workspace=of, call=call, role="callee", text="I am Ada", started_at=at, external_id="1"
    )
    lines: dict[str, dict[str, Any]] = {
        "answered": {"sip_status_code": 200},
        "tool_call": {"name": "book", "arguments": {"who": "Ada"}, "result": "Ada"},
        "analysis": {"summary": "Ada booked", "fields": {}},
    }
    for name, data in lines.items():
        CallEvent.unscoped.create(workspace=of, call=call, type=name, text=name, at=at, data=data)
    return call


def left(call: Call) -> tuple[int, dict[str, Any]]:
    lines = dict(CallEvent.unscoped.filter(call=call).values_list("type", "data"))
    return Turn.unscoped.filter(call=call).count(), lines


def test_transcripts_are_deleted_after_the_workspaces_retention(
    ours: Workspace, theirs: Workspace
) -> None:
    make.client(ours).patch(f"/workspaces/{ours.pk}", {"transcript_retention_days": 30})
    old, young, kept = (
        talked(ours, days_ago=31),
        talked(ours, days_ago=29),
        talked(theirs, days_ago=400),
    )
    before = left(young)

    call_command("prune")
    call_command("prune")  # the second finds nothing and adds no event

    client = make.client(ours)
    assert left(old) == (
        0,
        {"answered": {"sip_status_code": 200}, "tool_call": {}, "transcript_pruned": {}},
    )
    assert old.events.count() == 3
    assert client.get(f"/calls/{old.pk}/transcript").json() == {"turns": []}
    assert client.get(f"/calls/{old.pk}/analysis").status_code == 404
    assert client.get(f"/calls/{old.pk}").json()["outcome"] == "answered"
    assert (left(young), left(kept)) == (before, before)


def test_transcripts_of_several_chunks_are_deleted(ours: Workspace, monkeypatch: Any) -> None:
    monkeypatch.setattr("telephony.services.transcripts.TRANSCRIPT_CHUNK_CALLS", 2)
    Workspace.unscoped.filter(pk=ours.pk).update(transcript_retention_days=1)
    for _ in range(5):
        talked(ours, days_ago=2)

    call_command("prune")

    assert not Turn.unscoped.exists()


def test_a_retention_of_zero_days_is_rejected(ours: Workspace) -> None:
    response = make.client(ours).patch(f"/workspaces/{ours.pk}", {"transcript_retention_days": 0})

    assert response.json()["detail"][0]["msg"] == "ensure this value is greater than or equal to 1"
