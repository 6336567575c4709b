"""Further numbers of a recipient: tried in order when the one before does not exist."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from batches.dialing import settlement
from batches.dialing.claim_order import read_due
from batches.dialing.reservation import build_call
from batches.models import Batch, Recipient
from telephony.models import Outcome
from tests import make
from tests.batches.dialing.ended_calls import ended_call
from voiceops.core.ids import uuid7

ONE = "+12025550101"
TWO = "+12025550102"
THREE = "+12025550103"


@pytest.fixture
def batch(ours: Workspace) -> Batch:
    return make.batch(ours, status=Batch.Status.RUNNING)


@pytest.fixture
def recipient(batch: Batch) -> Recipient:
    return make.recipient(batch, phone_number=ONE, other_numbers=f"{TWO} {THREE}")


def end(batch: Batch, recipient: Recipient, outcome: str, reason: str, **fields: Any) -> Recipient:
    """End a call to the recipient's present number and settle it."""
    ended_call(batch, recipient, outcome=outcome, end_reason=reason, **fields)
    settlement.settle_calls()
    recipient.refresh_from_db()
    return recipient


def state(recipient: Recipient) -> tuple[Any, ...]:
    return recipient.status, recipient.number_to_call, recipient.attempts, recipient.outcome


def test_a_number_that_does_not_exist_is_followed_by_the_next(
    batch: Batch, recipient: Recipient
) -> None:
    end(batch, recipient, Outcome.INVALID_NUMBER, "invalid_number")

    assert state(recipient) == ("retrying", TWO, 1, "invalid_number")
    assert recipient.due_at is not None
    call = build_call(batch, recipient, uuid7(), timezone.now())
    assert (call.to_number, call.attempt) == (TWO, 2)


def test_the_last_number_that_does_not_exist_fails_the_recipient(
    batch: Batch, recipient: Recipient
) -> None:
    for _ in range(3):
        end(batch, recipient, Outcome.INVALID_NUMBER, "invalid_number")

    assert state(recipient) == ("failed", THREE, 3, "invalid_number")


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.DECLINED, "declined"),
        (Outcome.BLOCKED, "blocked_by_carrier"),
        (Outcome.NO_ANSWER, "no_answer"),
    ],
)
def test_a_number_that_exists_is_not_followed_by_another(
    batch: Batch, recipient: Recipient, outcome: str, reason: str
) -> None:
    end(batch, recipient, outcome, reason)

    assert state(recipient) == ("failed", ONE, 1, outcome)


def test_the_next_number_has_attempts_of_its_own(batch: Batch, recipient: Recipient) -> None:
    batch.retry = {"max_attempts": 2, "delay_minutes": [5], "outcomes": ["busy"]}
    batch.save()
    end(batch, recipient, Outcome.INVALID_NUMBER, "invalid_number")

    assert state(end(batch, recipient, Outcome.BUSY, "busy"))[0] == "retrying"
    assert state(end(batch, recipient, Outcome.BUSY, "busy")) == ("failed", TWO, 3, "busy")


def test_a_number_of_another_recipient_is_passed_over(batch: Batch, recipient: Recipient) -> None:
    make.recipient(batch, phone_number=TWO)

    end(batch, recipient, Outcome.INVALID_NUMBER, "invalid_number")

    assert state(recipient) == ("retrying", THREE, 1, "invalid_number")


def test_a_further_number_that_is_suppressed_is_passed_over(
    batch: Batch, recipient: Recipient
) -> None:
    end(batch, recipient, Outcome.INVALID_NUMBER, "invalid_number")
    unsent = {"counts": False, "dialed_at": None, "intent_at": None}

    end(batch, recipient, Outcome.CANCELLED, "suppressed", **unsent)

    assert state(recipient) == ("retrying", THREE, 1, "invalid_number")


def test_who_is_suppressed_at_the_first_number_is_not_called_at_another(
    batch: Batch, recipient: Recipient
) -> None:
    unsent = {"counts": False, "dialed_at": None, "intent_at": None}

    end(batch, recipient, Outcome.CANCELLED, "suppressed", **unsent)

    assert (recipient.status, recipient.reason) == ("skipped", "suppressed")


def test_a_stopped_batch_tries_no_other_number(batch: Batch, recipient: Recipient) -> None:
    Batch.unscoped.filter(pk=batch.pk).update(status=Batch.Status.STOPPED)

    end(batch, recipient, Outcome.INVALID_NUMBER, "invalid_number")

    assert recipient.status == "failed"


def test_higher_priorities_are_claimed_first(batch: Batch) -> None:
    rows = [make.recipient(batch, priority=priority) for priority in (0, 5, -1, 9, 0)]
    due = timezone.now()

    as_listed = read_due(batch, due, 5)
    batch.column_roles = {"rank": "priority"}
    prioritized = read_due(batch, due, 4)

    assert [each.pk for each in as_listed] == [each.pk for each in rows]
    assert [each.priority for each in prioritized] == [9, 5, 0, 0]
    assert [each.priority for each in read_due(batch, due, 9, but=prioritized)] == [-1]
