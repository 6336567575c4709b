"""Deleting transcripts once their workspace has kept them long enough."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from accounts.models import Workspace
from agents.rehearsing.replays import forget_calls
from telephony.models import Call, CallEvent, CallQuerySet, Turn
from voiceops.core.clock import database_now
from voiceops.core.isolation import run_isolated

TRANSCRIPT_CHUNK_CALLS = 200  # in one transaction
SPOKEN_EVENT_TYPES = ("analysis", "tool_call")  # their data repeats the callee's words
PRUNED_TEXT = "The transcript was deleted after its retention period"


def prune_transcripts() -> int:
    """Delete transcripts, analyses and the arguments of tools; returns of how many calls.

    A workspace's `transcript_retention_days` decide, counted from the end of a call.
    """
    now = database_now()
    workspaces = Workspace.unscoped.exclude(transcript_retention_days=None).order_by("pk")
    return sum(run_isolated(_prune_workspace, workspace, now) or 0 for workspace in workspaces)


def _prune_workspace(workspace: Workspace, now: datetime) -> int:
    assert workspace.transcript_retention_days is not None
    ended_before = now - timedelta(days=workspace.transcript_retention_days)
    overdue = _overdue_calls(workspace, ended_before)
    ids = overdue.values_list("pk", flat=True).order_by("pk")
    waiting = ids.iterator(chunk_size=TRANSCRIPT_CHUNK_CALLS)
    pruned = 0
    while chunk := list(islice(waiting, TRANSCRIPT_CHUNK_CALLS)):
        _delete_transcripts(workspace, chunk, now)
        pruned += len(chunk)
    return pruned


def _overdue_calls(workspace: Workspace, ended_before: datetime) -> CallQuerySet:
    turns = Turn.unscoped.filter(call=OuterRef("pk"))
    spoken = CallEvent.unscoped.filter(call=OuterRef("pk"), type__in=SPOKEN_EVENT_TYPES)
    calls: CallQuerySet = Call.unscoped.filter(workspace=workspace, ended_at__lt=ended_before)
    return calls.filter(Q(Exists(turns)) | Q(Exists(spoken.exclude(data={}))))


def _delete_transcripts(workspace: Workspace, calls: Sequence[UUID], now: datetime) -> None:
    with transaction.atomic():
        forget_calls(workspace, calls)
        Turn.unscoped.filter(call__in=calls).delete()
        events = CallEvent.unscoped.filter(call__in=calls)
        events.filter(type="analysis").delete()
        # Tool calls stay in the timeline; only what they repeat of the conversation goes.
        events.filter(type__in=SPOKEN_EVENT_TYPES).update(data={})
        CallEvent.unscoped.bulk_create(
            CallEvent(
                workspace=workspace, call_id=pk, type="transcript_pruned", text=PRUNED_TEXT, at=now
            )
            for pk in calls
        )
