"""What happened lately, read off the rows it left: calls' timelines, batches, and people whose
calls are settled.

Nothing below knows of webhooks. A transition and the row that tells of it are committed together,
so a happening is found exactly when it is true; `key` makes it one however often it is found.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from accounts.models import AuditEntry
from batches.models import Batch, Recipient
from batches.reporting.progress import counts_of
from telephony.models import Call, CallEvent
from telephony.serializers.calls import shown_call
from telephony.services.analysis import shown_analysis
from voiceops.core.ids import lowest_id

PAGE = 1_000
REPORTED_STATES = (
    "dialing",
    "ringing",
    "answered",
    "ended",
    "recording_ready",
    "analysis",
)  # types of a call's timeline


@dataclass(frozen=True)
class DomainEvent:
    workspace_id: UUID
    type: str
    key: str
    at: datetime
    data: Any


@dataclass
class CallEvents:
    """A page of what calls' timelines tell. `ended` are calls that end somebody's turn; `last` the
    last line read.
    """

    happenings: list[DomainEvent]
    ended: list[UUID]
    last: UUID


def time_of(pk: UUID) -> datetime:
    return datetime.fromtimestamp((pk.int >> 80) / 1000, tz=UTC)


def call_events_since(workspaces: Sequence[UUID], since: datetime) -> Iterator[CallEvents]:
    """Page by page, in the order the lines were written."""
    lines = CallEvent.unscoped.filter(workspace__in=workspaces, type__in=REPORTED_STATES).order_by(
        "pk"
    )
    after = Q(pk__gte=lowest_id(since))
    while page := list(lines.filter(after)[:PAGE]):
        calls = Call.unscoped.select_related("agent_version").in_bulk(
            {line.call_id for line in page}
        )
        yield CallEvents(
            happenings=[found for line in page for found in _of_line(line, calls[line.call_id])],
            ended=[
                line.call_id
                for line in page
                if line.type == "ended" and calls[line.call_id].recipient_id
            ],
            last=page[-1].pk,
        )
        after = Q(pk__gt=page[-1].pk)


def _of_line(line: CallEvent, call: Call) -> Iterator[DomainEvent]:
    """A call that was never sent is none, unless somebody made it by hand. One that ended had also
    been started.
    """
    if call.dialed_at is None and call.batch_id is not None:
        return
    if line.type == "analysis":
        data = {**shown_call(call), "analysis": shown_analysis(line)}
        yield DomainEvent(
            call.workspace_id, "call.analyzed", f"call.analyzed:{line.pk}", line.at, data
        )
        return
    types = {
        "answered": ["call.answered"],
        "ended": ["call.ended"],
        "recording_ready": ["call.recording_ready"],
    }
    started = (
        ["call.started"] if call.dialed_at is not None and line.type != "recording_ready" else []
    )
    for type in (*started, *types.get(line.type, [])):
        at = call.dialed_at if type == "call.started" and call.dialed_at else line.at
        yield DomainEvent(call.workspace_id, type, f"{type}:{call.pk}", at, shown_call(call))


def batch_events_since(workspaces: Sequence[UUID], since: datetime) -> Iterator[DomainEvent]:
    recent = Q(started_at__gte=since) | Q(ended_at__gte=since)
    batches = list(Batch.unscoped.filter(recent, workspace__in=workspaces))
    told = _shown_batches(batches)
    for batch in batches:
        if batch.started_at is not None and batch.started_at >= since:
            yield _of_batch(batch, "batch.started", batch.started_at, told)
        if (
            batch.ended_at is not None
            and batch.ended_at >= since
            and batch.status in ("completed", "stopped")
        ):
            yield _of_batch(batch, f"batch.{batch.status}", batch.ended_at, told)
    yield from _paused_by_people(workspaces, since)


def _paused_by_people(workspaces: Sequence[UUID], since: datetime) -> Iterator[DomainEvent]:
    entries = AuditEntry.unscoped.filter(
        pk__gte=lowest_id(since), workspace__in=workspaces, action="batch.paused"
    ).order_by("pk")
    batch_of = {entry.pk: UUID(entry.object_id) for entry in entries}
    told = _shown_batches(Batch.unscoped.filter(pk__in=batch_of.values()))
    for entry in entries:
        if entry.workspace_id is not None and (data := told.get(batch_of[entry.pk])):
            yield DomainEvent(
                entry.workspace_id, "batch.paused", f"batch.paused:{entry.pk}", entry.at, data
            )


def paused_by_themselves(workspaces: Sequence[UUID]) -> list[Batch]:
    """Batches whose circuit breaker is open now; `error` says why."""
    return list(
        Batch.unscoped.filter(workspace__in=workspaces, status=Batch.Status.PAUSED)
        .exclude(error=None)
        .order_by("pk")
    )


def self_paused(batches: Sequence[Batch], now: datetime) -> Iterator[DomainEvent]:
    told = _shown_batches(batches)
    for batch in batches:
        yield _of_batch(batch, "batch.paused", now, told)


def recipient_events_since(calls: Iterable[UUID]) -> tuple[list[DomainEvent], set[UUID]]:
    """Of these ended calls, whose people are done with; and the calls that are settled, so need not
    be asked again.
    """
    settled = Call.unscoped.filter(pk__in=list(calls)).exclude(settled_at=None)
    found = {call.pk: call for call in settled}
    people = Recipient.unscoped.select_related("batch").filter(
        pk__in=[call.recipient_id for call in found.values()],
        last_call_id__in=list(found),
        status__in=Recipient.Status.final(),
    )
    happenings = [
        DomainEvent(
            person.workspace_id,
            "recipient.finished",
            f"recipient.finished:{person.last_call_id}",
            found[person.last_call_id].settled_at or found[person.last_call_id].created_at,
            _shown_person(person),
        )
        for person in people
        if person.last_call_id is not None
    ]
    return happenings, set(found)


def _of_batch(batch: Batch, type: str, at: datetime, told: Mapping[UUID, Any]) -> DomainEvent:
    return DomainEvent(
        batch.workspace_id,
        type,
        f"{type}:{batch.pk}:{int(at.timestamp() * 1000)}",
        at,
        told[batch.pk],
    )


def _shown_batches(batches: Iterable[Batch]) -> dict[UUID, dict[str, Any]]:
    batches = list(batches)
    counts = counts_of(batches) if batches else {}
    fields = (
        "id",
        "name",
        "status",
        "error",
        "agent_id",
        "phone_number_id",
        "created_at",
        "started_at",
        "ended_at",
    )
    return {
        batch.pk: {**{name: getattr(batch, name) for name in fields}, "counts": counts[batch.pk]}
        for batch in batches
    }


def _shown_person(person: Recipient) -> dict[str, Any]:
    fields = (
        "id",
        "batch_id",
        "row_number",
        "phone_number",
        "status",
        "reason",
        "attempts",
        "outcome",
        "last_call_id",
    )
    return {
        **{name: getattr(person, name) for name in fields},
        "variables": person.variables_in(person.batch),
    }
