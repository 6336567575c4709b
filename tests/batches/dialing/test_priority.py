"""Several batches on one number share its calls by their priority."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Workspace
from batches.dialing import reservation
from batches.models import Batch
from telephony.models import PhoneNumber
from tests import make
from voiceops.core.ids import uuid7


@pytest.fixture
def number(ours: Workspace) -> PhoneNumber:
    return make.phone_number(ours, calls_per_second=20, max_concurrent_calls=30)


def add_recipients(batch: Batch, count: int) -> None:
    for _ in range(count):
        make.recipient(batch)


def claim(number: PhoneNumber, max_calls: int = 1000) -> int:
    """How many calls are claimed on the number."""
    return len(reservation.claim_recipients(number.pk, owner=uuid7(), max_calls=max_calls))


def claimed_by_priority(ours: Workspace, number: PhoneNumber, *priorities: int) -> list[int]:
    """How many calls each batch gets in a hundred claims of one call."""
    batches = [
        make.batch(ours, phone_number=number, status=Batch.Status.RUNNING, priority=priority)
        for priority in priorities
    ]
    start = timezone.now()
    first = [
        reservation.share_out(batches, start + timedelta(seconds=second))[0][0].pk
        for second in range(100)
    ]
    return [first.count(batch.pk) for batch in batches]


@pytest.mark.parametrize(
    ("priorities", "shares"),
    [((50, 50), (50, 50)), ((75, 25), (75, 25)), ((60, 0), (100, 0)), ((20, 30, 50), (20, 30, 50))],
)
def test_turns_follow_the_priorities(
    ours: Workspace, number: PhoneNumber, priorities: tuple[int, ...], shares: tuple[int, ...]
) -> None:
    turns = claimed_by_priority(ours, number, *priorities)

    assert all(abs(turn - share) <= 2 for turn, share in zip(turns, shares, strict=True))


def test_capacity_is_shared_by_priority(ours: Workspace, number: PhoneNumber) -> None:
    urgent, other, idle = [
        make.batch(ours, phone_number=number, status=Batch.Status.RUNNING, priority=priority)
        for priority in (75, 25, 0)
    ]
    for batch in (urgent, other, idle):
        add_recipients(batch, 30)

    claim(number, max_calls=20)

    reserved = [
        batch.recipients.filter(status="dialing").count() for batch in (urgent, other, idle)
    ]
    assert reserved == [15, 5, 0]


def test_a_batch_of_priority_zero_calls_when_no_other_has_anybody_to_call(
    ours: Workspace, number: PhoneNumber
) -> None:
    make.batch(ours, phone_number=number, status=Batch.Status.RUNNING)
    idle = make.batch(ours, phone_number=number, status=Batch.Status.RUNNING, priority=0)
    add_recipients(idle, 5)

    assert claim(number) == 5
