"""One number in several lists: rung at most once within the workspace's gap."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Workspace
from batches.dialing import reservation
from batches.models import Batch, Recipient
from telephony.models import Call, PhoneNumber, Stage
from tests import make
from voiceops.core.ids import uuid7

CALLEE = "+12025550186"
FOUR_HOURS = timedelta(hours=4)


def running(of: Workspace, **fields: Any) -> Batch:
    return make.batch(of, status=Batch.Status.RUNNING, started_at=timezone.now(), **fields)


def claim(batch: Batch, max_calls: int = 100) -> list[str]:
    assert batch.phone_number is not None
    ids = reservation.claim_recipients(batch.phone_number.pk, owner=uuid7(), max_calls=max_calls)
    return list(Call.unscoped.filter(pk__in=ids).order_by("pk").values_list("to_number", flat=True))


def rung(recipient: Recipient, *, at: datetime) -> Call:
    """A call of the recipient that rang in vain."""
    return make.call(
        recipient.workspace,
        batch_id=recipient.batch_id,
        recipient_id=recipient.pk,
        to_number=recipient.phone_number,
        stage=Stage.ENDED,
        outcome="no_answer",
        counts=True,
        intent_at=at,
        dialed_at=at,
        ended_at=at,
    )


def test_a_number_that_another_running_batch_has_rung_waits_for_the_end_of_the_gap(
    ours: Workspace,
) -> None:
    at = timezone.now() - timedelta(minutes=10)
    rung(make.recipient(running(ours), phone_number=CALLEE), at=at)
    second = running(ours)
    held = make.recipient(second, phone_number=CALLEE)
    free = make.recipient(second)

    assert claim(second) == [free.phone_number]

    held.refresh_from_db()
    assert (held.status, held.reason, held.due_at) == ("pending", "min_gap", at + FOUR_HOURS)


def test_a_number_that_another_batch_is_about_to_ring_is_checked_again_in_a_minute(
    ours: Workspace,
) -> None:
    first, second = running(ours), running(ours)
    make.recipient(first, phone_number=CALLEE)
    held = make.recipient(second, phone_number=CALLEE)

    assert (claim(first), claim(second)) == ([CALLEE], [])

    held.refresh_from_db()
    assert held.due_at is not None
    assert timedelta(seconds=50) < held.due_at - timezone.now() <= timedelta(minutes=1)


def test_a_list_that_keeps_duplicates_rings_one_of_them_at_a_time(ours: Workspace) -> None:
    batch = running(ours, on_duplicate="keep")
    for is_duplicate in (False, True, True):
        make.recipient(batch, phone_number=CALLEE, is_duplicate=is_duplicate)

    assert claim(batch) == [CALLEE]

    assert sorted(batch.recipients.values_list("status", "reason")) == [
        ("dialing", None),
        ("pending", "min_gap"),
        ("pending", "min_gap"),
    ]


def test_the_default_gap_leaves_retries_to_the_batch(ours: Workspace) -> None:
    batch = running(ours)
    recipient = make.recipient(batch, phone_number=CALLEE, status="retrying", attempts=1, sends=1)
    rung(recipient, at=timezone.now() - timedelta(minutes=5))

    assert claim(batch) == [CALLEE]


def test_a_batch_that_starts_after_another_has_ended_calls_at_once(ours: Workspace) -> None:
    at = timezone.now() - timedelta(minutes=10)
    ended = make.batch(ours, status=Batch.Status.COMPLETED, started_at=at, ended_at=at)
    rung(make.recipient(ended, phone_number=CALLEE), at=at)
    batch = running(ours)
    make.recipient(batch, phone_number=CALLEE)

    assert claim(batch) == [CALLEE]


def test_a_batch_that_ran_beside_another_that_has_ended_waits(ours: Workspace) -> None:
    now = timezone.now()
    batch = running(ours)
    ended = make.batch(
        ours, status=Batch.Status.COMPLETED, started_at=now, ended_at=now + timedelta(minutes=1)
    )
    rung(make.recipient(ended, phone_number=CALLEE), at=now)
    make.recipient(batch, phone_number=CALLEE)

    assert claim(batch) == []


def test_single_calls_defer_no_recipient_by_default(ours: Workspace) -> None:
    now = timezone.now()
    make.call(ours, to_number=CALLEE, stage=Stage.ENDED, counts=True, intent_at=now, dialed_at=now)
    batch = running(ours)
    make.recipient(batch, phone_number=CALLEE)

    assert claim(batch) == [CALLEE]


def test_a_chosen_gap_holds_for_retries_and_after_single_calls(ours: Workspace) -> None:
    response = make.client(ours).patch(f"/workspaces/{ours.pk}", {"min_gap_minutes": 60})
    batch = running(ours)
    own = make.recipient(batch, status="retrying", attempts=1, sends=1)
    rung(own, at=timezone.now() - timedelta(minutes=5))
    other = make.recipient(batch, phone_number=CALLEE)
    now = timezone.now()
    make.call(ours, to_number=CALLEE, stage=Stage.ENDED, counts=True, intent_at=now, dialed_at=now)

    assert (response.json()["min_gap_minutes"], claim(batch)) == (60, [])

    other.refresh_from_db()
    assert (other.reason, other.due_at) == ("min_gap", now + timedelta(minutes=60))


@pytest.mark.parametrize("gap", [0, None])
def test_a_gap_that_is_off_defers_no_recipient(ours: Workspace, gap: int | None) -> None:
    make.client(ours).patch(f"/workspaces/{ours.pk}", {"min_gap_minutes": gap})
    rung(make.recipient(running(ours), phone_number=CALLEE), at=timezone.now())
    second = running(ours)
    make.recipient(second, phone_number=CALLEE)

    assert claim(second) == [CALLEE]


def test_a_workspace_sent_back_unchanged_keeps_the_default(ours: Workspace) -> None:
    client = make.client(ours)

    client.patch(f"/workspaces/{ours.pk}", {"name": "Renamed", "min_gap_minutes": 240})

    ours.refresh_from_db()
    assert (ours.min_gap_minutes, ours.min_gap_is_default) == (240, True)


def test_many_held_recipients_do_not_hold_up_those_behind_them(ours: Workspace) -> None:
    first, second = running(ours), running(ours)
    for _ in range(30):
        held = make.recipient(first)
        rung(held, at=timezone.now())
        make.recipient(second, phone_number=held.phone_number)
    free = make.recipient(second)

    assert claim(second, max_calls=2) == [free.phone_number]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_two_workers_on_two_numbers_one_rings_the_callee() -> None:
    workspace = make.workspace()
    batches = [running(workspace), running(workspace)]
    for batch in batches:
        make.recipient(batch, phone_number=CALLEE)
    barrier = Barrier(2)

    def claim_at_once(number: PhoneNumber | None) -> int:
        assert number is not None
        barrier.wait(timeout=10)
        try:
            return len(reservation.claim_recipients(number.pk, owner=uuid7(), max_calls=10))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        claimed = list(pool.map(claim_at_once, [batch.phone_number for batch in batches]))

    assert sorted(claimed) == [0, 1]
