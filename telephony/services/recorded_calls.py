"""Calls as they were held, for the replays of `agents.rehearsing.replays`."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from accounts.models import Workspace
from telephony.models import Call, CallEvent, Stage, Turn

# Beside what was said: what the agent did, and which keys its callee pressed.
REPLAYED_EVENT_TYPES = ("tool_call", "dtmf", "transfer")


def read_recorded_calls(
    workspace: Workspace, ids: Collection[UUID]
) -> Mapping[UUID, dict[str, Any]]:
    """Return those of the workspace's calls, in the shape that `python -m voice replay` reads.

    A call that has not ended has no events yet.
    """
    rows = Call.unscoped.listed().filter(workspace=workspace, pk__in=ids)
    calls = {
        call.pk: {
            "call_id": str(call.pk),
            "agent_version": call.agent_version and call.agent_version.number,
            "variables": call.variables,
            "end_reason": call.end_reason,
            "ended_at": call.ended_at,
            "events": [],
        }
        for call in rows.select_related("agent_version")
    }
    ended = [call.pk for call in rows.filter(stage=Stage.ENDED).only("pk")]
    turns = Turn.unscoped.filter(call__in=ended).order_by("started_at", "pk")
    for turn in turns:
        spoken = {"role": turn.role, "text": turn.text, "ended_at": turn.ended_at}
        calls[turn.call_id]["events"].append({"type": "turn", "at": turn.started_at, **spoken})
    # Events without an id of their source are VoiceOps' own: keys that an operator pressed.
    events = CallEvent.unscoped.filter(
        call__in=ended, type__in=REPLAYED_EVENT_TYPES, external_id__isnull=False
    ).exclude(data={})
    for pk, kind, at, data in events.order_by("at", "pk").values_list("call", "type", "at", "data"):
        calls[pk]["events"].append({**data, "type": kind, "at": at})
    return calls
