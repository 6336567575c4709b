"""What the voice agent reports on its call: in order, but possibly repeated or late.

The agent is the witness of a dial: a callee that it never saw was never called
(`telephony/dialing/reconciliation.py`). `agent_seen_at` is the latest time up to which it watched,
by the earlier of its own clock and the database's. `report_events` has what each event means.

Reports that arrive at the same time are applied in one transaction (`intake`). It locks the calls
that nobody else has locked, and leaves the others to transactions of their own: so it never waits
for a call while it holds others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Case, DateTimeField, F, QuerySet, UUIDField, When
from django.db.models.functions import Coalesce, Greatest, Least, Now
from django.utils import timezone

from telephony.domain.timeline import MOVED_BEFORE_END, move_before_end
from telephony.models import Call, Stage
from telephony.services.report_events import ReportContext, ReportEvent, apply_event
from telephony.services.usage import record_turn_latency
from voiceops.core.errors import NotFound
from voiceops.db.compiled_query import CompiledQuery, CompiledQueryOfKeys
from voiceops.db.compiled_writes import CompiledUpdate, insert_rows

# Half of the two seconds after which an agent reports that it is alive.
AGENT_SEEN_INTERVAL = timedelta(seconds=1)
MAX_COMBINED_REPORTS = 8
# Events that change nothing but the call, its timeline and its transcript. Others may wait for rows
# that somebody else has locked.
COMBINED_TYPES = frozenset(
    {
        "agent_joined",
        "agent_alive",
        "callee_joined",
        "callee_answered",
        "detected",
        "turn",
        "usage",
        "callee_left",
        "ended",
    }
)
SETTLING_FIELDS = frozenset({"callback_at", "disposition"})  # of an analysis


@dataclass(frozen=True)
class Report:
    """The events of one report on a call."""

    call_id: UUID
    events: Sequence[ReportEvent]

    @property
    def is_only_life(self) -> bool:
        """Whether it says nothing but that the agent is alive."""
        return all(event.type == "agent_alive" and not event.data for event in self.events)

    @property
    def may_be_combined(self) -> bool:
        """Whether it changes nothing but its call."""
        return bool(self.events) and all(
            event.type in COMBINED_TYPES
            or (event.type == "analysis" and not SETTLING_FIELDS & event.data["fields"].keys())
            for event in self.events
        )


def apply_report(*, call_id: UUID, events: Sequence[ReportEvent]) -> bool:
    """Apply a report, of which repeated events change nothing. Returns whether the call goes on.

    On a call that had ended before, only late evidence is kept: what was said, detected, used and
    analysed, an opt-out, and who hung up. The agent itself has no business in the room any more.
    Raises NotFound when there is no such call.
    """
    report = Report(call_id, events)
    if not events:
        return True
    # Most reports are only signs of life, and cost one UPDATE without reading the call.
    if report.is_only_life:
        return _record_life(report)
    return _apply_alone(report)


def _record_life(report: Report) -> bool:
    """Raises NotFound."""
    if touch_agent(report.call_id, _latest(report), is_alive=True):
        return True
    if not Call.unscoped.filter(pk=report.call_id).exists():
        raise NotFound("Call not found")
    return False


def record_lives(reports: Sequence[Report]) -> list[bool | None]:
    """Record signs of life, but of calls that have ended, or that somebody else has locked."""
    rows = [{"pk": report.call_id, "at": _latest(report)} for report in reports]
    written = set(AGENT_ALIVE.run_unlocked(rows))
    return [True if report.call_id in written else None for report in reports]


def _apply_alone(report: Report) -> bool:
    """Raises NotFound."""
    [goes_on] = _apply([report], partial(CALL_OF_REPORT.rows, pk=report.call_id))
    if goes_on is None:
        raise NotFound("Call not found")
    return goes_on


def apply_together(reports: Sequence[Report]) -> list[bool | None]:
    """Apply reports on calls that nobody else has locked."""
    ids = [report.call_id for report in reports]
    return _apply(reports, partial(FREE_CALLS.rows_of, ids))


def _apply(reports: Sequence[Report], lock: Callable[[], list[Call]]) -> list[bool | None]:
    """Apply reports on the calls that `lock` finds and locks, in one transaction.

    Returns for each whether its call goes on; None where the call was not found.
    """
    with transaction.atomic(savepoint=False):
        calls = {call.pk: call for call in lock()}
        now = timezone.now()
        found = [report for report in reports if report.call_id in calls]
        contexts = [ReportContext(calls[report.call_id], now) for report in found]
        goes_on = {call.pk: call.stage != Stage.ENDED for call in calls.values()}
        moved = [_apply_events(*each) for each in zip(found, contexts, strict=True)]
        _save(contexts)
        _record_activity(
            [
                (report, context.call, has_moved)
                for report, context, has_moved in zip(found, contexts, moved, strict=True)
                if goes_on[report.call_id]
            ]
        )
    return [goes_on.get(report.call_id) for report in reports]


def _apply_events(report: Report, context: ReportContext) -> bool:
    """Apply the events, of an ended call only late evidence. Returns whether the call moved."""
    is_open = context.call.stage != Stage.ENDED
    events = [event for event in report.events if is_open or is_late_evidence(event)]
    # All of them, also once one has moved the call.
    moved = [apply_event(event, context) for event in events]
    return any(moved)


def _save(contexts: Sequence[ReportContext]) -> None:
    """Write the rows of the reports."""
    insert_rows([turn for each in contexts for turn in each.turns], ignore_conflicts=True)
    for context in contexts:
        record_turn_latency(context.call, context.turns)
    insert_rows([event for each in contexts for event in each.events], ignore_conflicts=True)
    for context in contexts:
        ended_at = context.call.ended_at
        if ended_at is not None and any(e.type in MOVED_BEFORE_END for e in context.events):
            move_before_end(context.call, ended_at)


def is_late_evidence(event: ReportEvent) -> bool:
    """Return whether the event may still say something about a call that has ended.

    An agent's presence does not: the room may have come back with a new agent in it, when two
    requests deleted it at once (`docs/reference/protocols.md §2.1`).
    """
    if event.type == "agent_alive":
        return event.data.get("callee_status") == "ringing"
    return event.type != "agent_joined"


def is_sign_of_life(event: ReportEvent) -> bool:
    """Return whether the event shows that this agent reports by itself that it is alive.

    An agent that does so only when the phone rings must not be missed afterwards.
    """
    return event.type == "agent_alive" and event.data.get("callee_status") != "ringing"


def _record_activity(applied: Sequence[tuple[Report, Call, bool]]) -> None:
    """Record that the agents of open calls are alive; the last part says whether the call moved."""
    for update, is_alive in ((AGENT_ALIVE, True), (AGENT_SEEN, False)):
        update.run_unlocked(
            [
                {"pk": call.pk, "at": _latest(report)}
                for report, call, has_moved in applied
                if any(map(is_sign_of_life, report.events)) is is_alive
                and (is_alive or _is_worth_a_touch(report, call, has_moved))
            ]
        )


def _is_worth_a_touch(report: Report, call: Call, has_moved: bool) -> bool:
    """Return whether to record that the agent was seen: once a second, reports come in bursts.

    Moving a call already touches it.
    """
    if has_moved and call.agent_joined_at is not None:
        return False
    seen_at = call.agent_seen_at
    return seen_at is None or _latest(report) - seen_at > AGENT_SEEN_INTERVAL


def _latest(report: Report) -> datetime:
    return max(event.at for event in report.events)


def touch_agent(call_id: UUID, at: datetime, *, is_alive: bool = False) -> bool:
    """Record that the agent was in the room at `at`, by its clock; False when no call is open.

    `is_alive`: this agent reports regularly, so that its silence will mean something.
    """
    update = AGENT_ALIVE if is_alive else AGENT_SEEN
    return bool(update.run(pk=call_id, at=at))


def _build_touch(pk: Any, at: Any, *, is_alive: bool) -> tuple[QuerySet[Call], dict[str, Any]]:
    seen_at = Least(at, Now())
    changes = {
        "agent_joined_at": Coalesce("agent_joined_at", Now()),
        # Late reports must not move the time back.
        "agent_seen_at": Greatest(Coalesce(F("agent_seen_at"), seen_at), seen_at),
        # By the database's clock, because the agent's may be slow by more than its longest silence.
        "agent_heard_at": Now()
        if is_alive
        else Case(When(agent_heard_at__isnull=False, then=Now())),
        "heard_at": Now(),
    }
    return Call.unscoped.open().filter(pk=pk), changes


AGENT_ALIVE, AGENT_SEEN = (
    CompiledUpdate(partial(_build_touch, is_alive=is_alive), pk=UUIDField(), at=DateTimeField())
    for is_alive in (True, False)
)
FREE_CALLS = CompiledQueryOfKeys(
    lambda ids: Call.unscoped.filter(pk__in=ids).select_for_update(no_key=True, skip_locked=True),
    UUIDField(),
    most=MAX_COMBINED_REPORTS,
)
CALL_OF_REPORT = CompiledQuery(
    lambda pk: Call.unscoped.filter(pk=pk).select_for_update(no_key=True), pk=UUIDField()
)
