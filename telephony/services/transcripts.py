"""Forgetting what was said on calls, once their workspace has kept it long enough."""

from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from accounts.models import Workspace
from telephony.models import Call, CallEvent, CallQuerySet, Turn
from voiceops.core.clock import database_now

TRANSCRIPT_CHUNK_CALLS = 200  # calls in a transaction
SPOKEN_EVENT_TYPES = (
    "analysis",
    "tool_call",
)  # lines of the timeline whose data repeats the callee's words
PRUNED_TEXT = "The transcript was deleted when its time was over"


def prune_transcripts() -> int:
    """Delete transcripts, analyses and what tools were told, of calls that ended too long ago; of
    how many calls.
    """
    now = database_now()
    pruned = 0
    for workspace in Workspace.unscoped.exclude(transcript_retention_days=None).order_by("pk"):
        assert workspace.transcript_retention_days is not None
        due = _overdue_calls(workspace, now - timedelta(days=workspace.transcript_retention_days))
        waiting = (
            due.values_list("pk", flat=True)
            .order_by("pk")
            .iterator(chunk_size=TRANSCRIPT_CHUNK_CALLS)
        )
        while chunk := list(islice(waiting, TRANSCRIPT_CHUNK_CALLS)):
            _delete_transcripts(workspace, chunk, now)
            pruned += len(chunk)
    return pruned


def _overdue_calls(workspace: Workspace, kept_since: datetime) -> CallQuerySet:
    said = Turn.unscoped.filter(call=OuterRef("pk"))
    noted = CallEvent.unscoped.filter(call=OuterRef("pk"), type__in=SPOKEN_EVENT_TYPES).exclude(
        data={}
    )
    ended: CallQuerySet = Call.unscoped.filter(workspace=workspace, ended_at__lt=kept_since)
    return ended.filter(Q(Exists(said)) | Q(Exists(noted)))


def _delete_transcripts(workspace: Workspace, calls: list[UUID], now: datetime) -> None:
    with transaction.atomic():
        Turn.unscoped.filter(call__in=calls).delete()
        lines = CallEvent.unscoped.filter(call__in=calls)
        lines.filter(type="analysis").delete()
        lines.filter(type__in=SPOKEN_EVENT_TYPES).update(data={})
        CallEvent.unscoped.bulk_create(
            CallEvent(
                workspace=workspace, call_id=pk, type="transcript_pruned", text=PRUNED_TEXT, at=now
            )
            for pk in calls
        )
