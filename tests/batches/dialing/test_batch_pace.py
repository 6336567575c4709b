"""A batch's own pace, as the dialer asks for it through the gate."""

from datetime import timedelta

from accounts.models import Workspace
from batches.dialing.admission import BatchGate
from batches.models import Batch
from telephony.dialing import intents
from telephony.dialing.jobs import Job, load_jobs
from telephony.dialing.pacing import slot_interval
from telephony.models import Stage
from tests import make
from voiceops.core.clock import database_now


def late_send(batch: Batch) -> Job:
    """A call of the batch whose send woke past its slot."""
    call = make.call(
        batch.workspace,
        number=batch.phone_number,
        batch_id=batch.pk,
        stage=Stage.INTENT,
        intent_at=database_now(),
    )
    [job] = load_jobs([call.pk])
    return job


def paced_batch(ours: Workspace, **fields: object) -> Batch:
    number = make.phone_number(ours, calls_per_second=50, max_concurrent_calls=100)
    return make.batch(ours, phone_number=number, status=Batch.Status.RUNNING, **fields)


def test_late_sends_of_a_batch_keep_its_own_pace(ours: Workspace) -> None:
    next_slot = database_now() + timedelta(milliseconds=100)
    batch = paced_batch(ours, calls_per_second=4, next_slot_at=next_slot)

    slots = intents.reslot_late_sends([late_send(batch) for _ in range(3)], gate=BatchGate())

    assert slots == [next_slot + number * slot_interval(4) for number in range(3)]
    batch.refresh_from_db()
    assert batch.next_slot_at == next_slot + 3 * slot_interval(4)


def test_late_send_of_a_slow_batch_is_given_up(ours: Workspace) -> None:
    next_slot = database_now() + timedelta(seconds=2)
    batch = paced_batch(ours, calls_per_second=0.4, next_slot_at=next_slot)

    assert intents.reslot_late_sends([late_send(batch)], gate=BatchGate()) == [None]
    batch.refresh_from_db()
    assert batch.next_slot_at == next_slot


def test_batch_without_a_pace_of_its_own_follows_the_numbers(ours: Workspace) -> None:
    batch = paced_batch(ours)

    first, second = intents.reslot_late_sends(
        [late_send(batch), late_send(batch)], gate=BatchGate()
    )

    assert first is not None
    assert second == first + slot_interval(50)
    batch.refresh_from_db()
    assert batch.next_slot_at is None
