"""When a person of a list is called next, and which rule decides it.

The queue writes a rule that it has met into the recipient's row (`due_at`, `reason`). What it has
not met yet is foreseen here with the rules that it will apply, in its order.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from accounts.models import Workspace
from batches.dialing.calling_windows import opens_at, rules_of
from batches.dialing.frequency import (
    WAIVED_FOR_CALLBACKS,
    gap_of,
    limit_refusal,
    recent_attempts,
)
from batches.domain.suppressed_numbers import find_suppressed
from batches.models import Batch, Recipient
from batches.reporting.reasons import EXPLANATIONS, waiting_reason

Status = Recipient.Status
RETRY_RULE = "retry"
# Calls that are waited for, unless a rule of their own says when.
WAITING = (Status.PENDING, Status.RETRYING)
GIVEN_UP = (Status.SKIPPED, Status.CANCELLED, Status.REVIEW)


class NextCall(NamedTuple):
    """When the next call is, None for not before somebody acts; `rule` is a code of a reason."""

    at: datetime | None
    rule: str


def next_calls(
    workspace: Workspace, recipients: Sequence[Recipient], now: datetime
) -> list[NextCall | None]:
    """Return the next call of each recipient, with its batch read; None for those in a call, and
    those whose calls are over.
    """
    waiting = [recipient for recipient in recipients if recipient.status in WAITING]
    numbers = {recipient.number_to_call for recipient in waiting}
    suppressed = find_suppressed(workspace.pk, numbers) if numbers else set()
    recent: Mapping[Any, Mapping[str, Any]] = {}
    if numbers:
        batches = [recipient.batch for recipient in waiting]
        recent = recent_attempts({workspace.pk: workspace}, numbers, batches)
    return [
        _next_call(recipient, suppressed, recent.get((workspace.pk, recipient.number_to_call)), now)
        for recipient in recipients
    ]


def _next_call(
    recipient: Recipient,
    suppressed: Collection[str],
    recent: Mapping[str, Any] | None,
    now: datetime,
) -> NextCall | None:
    if recipient.status in GIVEN_UP:
        return NextCall(None, recipient.reason or waiting_reason(recipient.batch, now))
    if recipient.status not in WAITING or recent is None:
        return None
    if recipient.number_to_call in suppressed:
        return NextCall(None, "suppressed")
    batch = recipient.batch
    rule = waiting_reason(batch, now)
    if batch.status == Batch.Status.SCHEDULED and batch.scheduled_at is not None:
        return _when_open(recipient, NextCall(max(batch.scheduled_at, now), rule))
    if batch.status != Batch.Status.RUNNING:
        return NextCall(None, rule)
    earliest = _earliest(recipient, recent, now)
    if earliest.at == now and (refusal := _refusal(recipient, recent, now)):
        return NextCall(None, refusal)
    return _when_open(recipient, earliest)


def _earliest(recipient: Recipient, recent: Mapping[str, Any], now: datetime) -> NextCall:
    """Return the last of the times before which nothing is sent, whatever the hour is."""
    workspace = recipient.batch.workspace
    times = [NextCall(now, "waiting")]
    if recipient.due_at is not None:
        known = recipient.reason if recipient.reason in EXPLANATIONS else None
        times.append(NextCall(recipient.due_at, known or RETRY_RULE))
    if workspace.budget_spent_until is not None:
        times.append(NextCall(workspace.budget_spent_until, "daily_budget_spent"))
    # The default gap depends on which lists run beside: the queue writes it into the row.
    if recent["last"] is not None and not workspace.min_gap_is_default:
        times.append(NextCall(recent["last"] + gap_of(workspace), "min_gap"))
    return max(times, key=_instant)


def _instant(call: NextCall) -> datetime:
    assert call.at is not None
    return call.at


def _refusal(recipient: Recipient, recent: Mapping[str, Any], now: datetime) -> str | None:
    """Return which limit would have the recipient left out now."""
    refusal = limit_refusal(recipient.batch, recent, now)
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
