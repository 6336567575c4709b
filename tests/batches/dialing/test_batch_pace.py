"""A batch's own pace, as the dialer asks for it through the gate."""

from datetime import datetime, timedelta

import pytest

from accounts.models import Workspace
from batches.dialing.admission import BatchGate
from batches.models import Batch
from telephony.dialing import intents
from telephony.dialing.jobs import Job, load_jobs
from telephony.dialing.pacing import slot_interval
from telephony.models import Stage
from tests import make
from voiceops.core.clock import database_now


@pytest.fixture
def now(db: None, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The time, which stands still: a busy machine is not late."""
    now = database_now()
    monkeypatch.setattr(intents, "database_now", lambda: now)
    return now


def late_send(batch: Batch, now: datetime) -> Job:
    """A call of the batch whose send woke past its slot."""
    call = make.call(
        batch.workspace,
        number=batch.phone_number,
        batch_id=batch.pk,
        stage=Stage.INTENT,
        intent_at=now,
    )
    [job] = load_jobs([call.pk])
    return job


def paced_batch(ours: Workspace, **fields: object) -> Batch:
    number = make.phone_number(ours, calls_per_second=50, max_concurrent_calls=100)
    return make.batch(ours, phone_number=number, status=Batch.Status.RUNNING, **fields)


def test_late_sends_of_a_batch_keep_its_own_pace(ours: Workspace, now: datetime) -> None:
    next_slot = now + timedelta(milliseconds=100)
    batch = paced_batch(ours, calls_per_second=4, next_slot_at=next_slot)

    slots = intents.reslot_late_sends([late_send(batch, now) for _ in range(3)], gate=BatchGate())

    assert slots == [next_slot + number * slot_interval(4) for number in range(3)]
    batch.refresh_from_db()
    assert batch.next_slot_at == next_slot + 3 * slot_interval(4)


def test_late_send_of_a_slow_batch_is_given_up(ours: Workspace, now: datetime) -> None:
    next_slot = now + timedelta(seconds=2)
    batch = paced_batch(ours, calls_per_second=0.4, next_slot_at=next_slot)

    assert intents.reslot_late_sends([late_send(batch, now)], gate=BatchGate()) == [None]
    batch.refresh_from_db()
    assert batch.next_slot_at == next_slot


def test_batch_without_a_pace_of_its_own_follows_the_numbers(
    ours: Workspace, now: datetime
) -> None:
    batch = paced_batch(ours)

    first, second = intents.reslot_late_sends(
        [late_send(batch, now), late_send(batch, now)], gate=BatchGate()
    )

    assert (first, second) == (now, now + slot_interval(50))
    batch.refresh_from_db()
    assert batch.next_slot_at is None
