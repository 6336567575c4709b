"""When a person of a list is called next, and which rule decides it.

The queue writes a rule that it has met into the recipient's row (`due_at`, `reason`). What it has
not met yet is foreseen here with the rules that it will apply, in its order, by the calls that are
known now.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from accounts.models import Workspace
from batches.dialing.callbacks import read_callback_numbers
from batches.dialing.calling_windows import opens_at, rules_of
from batches.dialing.frequency import (
    WAIVED_FOR_CALLBACKS,
    Attempt,
    attempts_by_number,
    limit_refusal,
    recent_at,
)
from batches.dialing.gaps import MIN_GAP, Gaps
from batches.domain.suppressed_numbers import Target, find_expiries
from batches.models import Batch, Recipient
from batches.reporting.reasons import EXPLANATIONS, waiting_reason
from telephony.dialing.capacity import quota_frees_at

Status = Recipient.Status
RETRY_RULE = "retry"
# Calls that are waited for, unless a rule of their own says when.
WAITING = (Status.PENDING, Status.RETRYING)
GIVEN_UP = (Status.SKIPPED, Status.CANCELLED, Status.REVIEW)


class NextCall(NamedTuple):
    """When the next call is, None for not before somebody acts; `rule` is a code of a reason."""

    at: datetime | None
    rule: str


@dataclass(frozen=True)
class _Known:
    """What decides about the next calls of a workspace, read once for all of them."""

    workspace: Workspace
    now: datetime
    suppressed: Mapping[Target, datetime | None]
    """Until when numbers are suppressed; None is for ever."""
    attempts: Mapping[str, Collection[Attempt]]
    gaps: Gaps
    quota_frees_at: datetime | None


def next_calls(
    workspace: Workspace, recipients: Sequence[Recipient], now: datetime
) -> list[NextCall | None]:
    """Return the next call of each recipient, with its batch read; None for those in a call, and
    those whose calls are over.
    """
    waiting = [recipient for recipient in recipients if recipient.status in WAITING]
    read_callback_numbers(waiting)
    numbers = {recipient.number_to_call for recipient in waiting}
    known = _Known(
        workspace,
        now,
        suppressed=find_expiries([(workspace.pk, each) for each in numbers]) if numbers else {},
        attempts=attempts_by_number(workspace, numbers, [each.batch for each in waiting]),
        gaps=Gaps(workspace, numbers, now),
        quota_frees_at=quota_frees_at(workspace, now) if waiting else None,
    )
    return [_next_call(recipient, known) for recipient in recipients]


def _next_call(recipient: Recipient, known: _Known) -> NextCall | None:
    rule = waiting_reason(recipient.batch, known.now)
    if recipient.status in GIVEN_UP:
        return NextCall(None, recipient.reason or rule)
    if recipient.status not in WAITING:
        return None
    begin = _begin_of(recipient.batch, known.now)
    call = NextCall(None, rule)
    if begin is not None:
        call = _when_open(recipient, _earliest(recipient, NextCall(begin, rule), known))
    if _is_suppressed(recipient, call.at, known):
        return NextCall(None, "suppressed")
    # Counted for that time: by then a call of today may be more than a day ago.
    refusal = None if call.at is None else _refusal(recipient, call.at, known)
    return call if refusal is None else NextCall(None, refusal)


def _is_suppressed(recipient: Recipient, at: datetime | None, known: _Known) -> bool:
    """Return whether the number is suppressed at that time, or now, if there is none."""
    target = (known.workspace.pk, recipient.number_to_call)
    if target not in known.suppressed:
        return False
    until = known.suppressed[target]
    return until is None or at is None or at < until


def _begin_of(batch: Batch, now: datetime) -> datetime | None:
    """Return from when on the batch calls by itself; None for not before somebody acts."""
    if batch.status == Batch.Status.RUNNING:
        return now
    if batch.status == Batch.Status.SCHEDULED:
        begin = batch.scheduled_at
    else:
        # One that has paused itself tries a call.
        begin = batch.probe_at if batch.status == Batch.Status.PAUSED else None
    return None if begin is None else max(begin, now)


def _earliest(recipient: Recipient, begin: NextCall, known: _Known) -> NextCall:
    """Return the last of the times before which nothing is sent, whatever the hour is."""
    times = [begin]
    if recipient.due_at is not None:
        reason = recipient.reason if recipient.reason in EXPLANATIONS else None
        times.append(NextCall(recipient.due_at, reason or RETRY_RULE))
    if known.workspace.budget_spent_until is not None:
        times.append(NextCall(known.workspace.budget_spent_until, "daily_budget_spent"))
    if known.quota_frees_at is not None:
        times.append(NextCall(known.quota_frees_at, "daily_limit_reached"))
    times.append(NextCall(known.gaps.ends_at(recipient, recipient.batch), MIN_GAP))
    return max(times, key=_instant)


def _instant(call: NextCall) -> datetime:
    assert call.at is not None
    return call.at


def _refusal(recipient: Recipient, at: datetime, known: _Known) -> str | None:
    """Return which limit would have the recipient left out at that time."""
    recent = recent_at(known.attempts.get(recipient.number_to_call, ()), at)
    refusal = limit_refusal(recipient.batch, recent, at)
    is_waived = recipient.callback_at is not None and refusal in WAIVED_FOR_CALLBACKS
    return None if is_waived else refusal


def _when_open(recipient: Recipient, call: NextCall) -> NextCall:
    """Return the call, or its window's next opening if it lies outside."""
    at = _instant(call)
    rules = rules_of(recipient.batch)
    opening = opens_at(recipient.number_to_call, rules, at, recipient.timezone)
    if opening.reason is None:
        return call
    return NextCall(opening.at, opening.reason)
