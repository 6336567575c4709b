"""Intents and their slots: exact under the row lock, durable before anything is sent."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from accounts.models import Workspace
from telephony.dialing import intents
from telephony.dialing.intents import PacingRound
from telephony.dialing.jobs import Job, load_jobs
from telephony.dialing.pacing import slot_interval
from telephony.dialing.protocol import INTENT_HORIZON, INTENT_LIFETIME
from telephony.domain.dial_verdicts import ABANDONED, Blame
from telephony.models import Call, NumberPace, PhoneNumber, Stage
from tests import make
from tests.telephony.dialing.conftest import OWNER, intent, reserved, stored
from tests.telephony.dialing.fakes import FakeGate
from voiceops.core.clock import database_now
from voiceops.core.ids import uuid7


def commit(jobs: list[Job], gate: FakeGate) -> PacingRound:
    return intents.commit_intents(jobs, owner=OWNER, gate=gate)


def set_pace(number: PhoneNumber, **fields: datetime) -> None:
    NumberPace.unscoped.filter(number=number).update(**fields)


def next_slot_at(number: PhoneNumber) -> datetime:
    slot = NumberPace.unscoped.get(number=number).next_slot_at
    assert slot is not None
    return slot


# --- commit_intents


def test_intent_is_written_with_the_end_of_its_token(number: PhoneNumber, gate: FakeGate) -> None:
    job = reserved(number)

    pacing_round = commit([job], gate)

    call = stored(job)
    assert (call.stage, call.intent_at) == (Stage.INTENT, pacing_round.now)
    assert call.not_after == pacing_round.now + timedelta(seconds=10)
    assert call.lease_expires_at == pacing_round.now + timedelta(seconds=15)


def test_job_learns_what_was_written(number: PhoneNumber, gate: FakeGate) -> None:
    job = reserved(number)

    commit([job], gate)

    call, row = job.call, stored(job)
    assert (call.stage, call.intent_at, call.not_after) == (row.stage, row.intent_at, row.not_after)


def test_slots_lie_an_interval_apart(number: PhoneNumber, gate: FakeGate) -> None:
    pacing_round = commit([reserved(number) for _ in range(3)], gate)

    slots = [slot for _, slot in pacing_round.sends]
    assert slots[0] == pacing_round.now
    assert {after - before for before, after in pairwise(slots)} == {slot_interval(20)}


def test_next_slot_is_saved_behind_the_last_send(number: PhoneNumber, gate: FakeGate) -> None:
    pacing_round = commit([reserved(number) for _ in range(2)], gate)

    assert next_slot_at(number) == pacing_round.sends[-1][1] + slot_interval(20)


def test_calls_beyond_the_horizon_wait_and_the_first_free_slot_is_known(
    number: PhoneNumber, gate: FakeGate
) -> None:
    jobs = [reserved(number) for _ in range(8)]

    pacing_round = commit(jobs, gate)

    sent = len(pacing_round.sends)
    assert pacing_round.sends[-1][1] <= pacing_round.now + INTENT_HORIZON
    assert pacing_round.waiting == jobs[sent:]
    assert pacing_round.next_slot == pacing_round.now + sent * slot_interval(20)
    assert stored(jobs[-1]).stage == Stage.RESERVED


def test_numbers_do_not_share_their_slots(ours: Workspace, gate: FakeGate) -> None:
    slow = [make.phone_number(ours, calls_per_second=1) for _ in range(2)]

    pacing_round = commit([reserved(number) for number in slow], gate)

    assert [slot for _, slot in pacing_round.sends] == [pacing_round.now] * 2


def test_back_off_keeps_every_call_of_the_number_waiting(
    number: PhoneNumber, gate: FakeGate
) -> None:
    until = timezone.now() + timedelta(seconds=5)
    set_pace(number, backoff_until=until)

    pacing_round = commit([reserved(number)], gate)

    assert (pacing_round.sends, pacing_round.next_slot) == ([], until)


def test_own_pace_of_a_batch_delays_its_call_and_no_other(
    number: PhoneNumber, gate: FakeGate
) -> None:
    delayed, free = reserved(number), reserved(number)
    gate.allowed_at[delayed.call.pk] = timezone.now() + timedelta(seconds=2)

    pacing_round = commit([delayed, free], gate)

    assert pacing_round.waiting == [delayed]
    assert [job for job, _ in pacing_round.sends] == [free]


def test_gate_sees_every_call_and_counts_those_that_got_a_slot(
    number: PhoneNumber, gate: FakeGate
) -> None:
    jobs = [reserved(number) for _ in range(8)]

    pacing_round = commit(jobs, gate)

    assert gate.admitted == [job.call.pk for job in jobs]
    assert gate.slots == {job.call.pk: slot for job, slot in pacing_round.sends}
    assert gate.saves == 1


def test_refused_call_ends_for_the_gates_reason_and_uses_no_slot(
    number: PhoneNumber, gate: FakeGate
) -> None:
    refused, allowed = reserved(number), reserved(number)
    gate.refusals[refused.call.pk] = "window_closed"

    pacing_round = commit([refused, allowed], gate)

    call = stored(refused)
    assert (call.stage, call.end_reason, call.counts) == (Stage.ENDED, "window_closed", False)
    assert pacing_round.refused == [refused]
    assert pacing_round.sends == [(allowed, pacing_round.now)]
    assert call.events.get(type="ended").text == "Not dialled: window closed"


def test_call_of_a_number_without_a_trunk_is_refused(number: PhoneNumber, gate: FakeGate) -> None:
    number.trunks.all().delete()

    pacing_round = commit([reserved(number)], gate)

    assert [job.call.end_reason for job in pacing_round.refused] == ["number_gone"]


def test_call_whose_number_was_removed_is_refused(ours: Workspace, gate: FakeGate) -> None:
    call = make.call(ours, lease_owner=OWNER)

    pacing_round = commit(load_jobs([call.pk]), gate)

    assert [job.call.end_reason for job in pacing_round.refused] == ["number_gone"]


def test_call_of_another_owner_is_not_sent(number: PhoneNumber, gate: FakeGate) -> None:
    job = reserved(number, lease_owner=uuid7())

    assert commit([job], gate).sends == []
    assert stored(job).stage == Stage.RESERVED


def test_call_whose_lease_has_expired_is_not_sent(number: PhoneNumber, gate: FakeGate) -> None:
    job = reserved(number, lease_expires_at=timezone.now() - timedelta(seconds=1))

    assert commit([job], gate).sends == []
    assert stored(job).stage == Stage.RESERVED


def test_call_that_was_hung_up_meanwhile_drops_out_and_the_others_are_sent(
    number: PhoneNumber, gate: FakeGate
) -> None:
    hung_up, wanted = reserved(number), reserved(number)
    Call.unscoped.filter(pk=hung_up.call.pk).update(stage=Stage.ENDED)

    pacing_round = commit([hung_up, wanted], gate)

    assert [job for job, _ in pacing_round.sends] == [wanted]
    assert hung_up.call.stage == Stage.RESERVED


def test_two_rounds_never_give_out_one_slot(number: PhoneNumber, gate: FakeGate) -> None:
    first = commit([reserved(number), reserved(number)], gate)
    second = commit([reserved(number), reserved(number)], gate)

    slots = [slot for _, slot in (*first.sends, *second.sends)]
    assert min(after - before for before, after in pairwise(slots)) >= slot_interval(20)


# --- reslot_late_sends


def test_late_send_gets_the_next_slot_of_the_pace(number: PhoneNumber, gate: FakeGate) -> None:
    free_at = database_now() + timedelta(milliseconds=300)
    set_pace(number, next_slot_at=free_at)

    slots = intents.reslot_late_sends([intent(number), intent(number)], gate=gate)

    assert slots == [free_at, free_at + slot_interval(20)]
    assert next_slot_at(number) == free_at + 2 * slot_interval(20)


def test_late_send_waits_for_a_short_back_off(number: PhoneNumber, gate: FakeGate) -> None:
    until = database_now() + timedelta(milliseconds=400)
    set_pace(number, backoff_until=until)

    assert intents.reslot_late_sends([intent(number)], gate=gate) == [until]


def test_late_send_is_given_up_when_the_back_off_outlasts_its_intent(
    number: PhoneNumber, gate: FakeGate
) -> None:
    set_pace(number, backoff_until=database_now() + timedelta(seconds=30))

    assert intents.reslot_late_sends([intent(number)], gate=gate) == [None]


def test_late_send_honours_the_own_pace_of_its_batch(number: PhoneNumber, gate: FakeGate) -> None:
    job, allowed_at = intent(number), database_now() + timedelta(milliseconds=500)
    gate.allowed_at[job.call.pk] = allowed_at

    assert intents.reslot_late_sends([job], gate=gate) == [allowed_at]
    assert (gate.slots, gate.saves) == ({job.call.pk: allowed_at}, 1)


def test_late_send_is_given_up_when_its_batchs_pace_outlasts_its_intent(
    number: PhoneNumber, gate: FakeGate
) -> None:
    delayed, free = intent(number), intent(number)
    gate.allowed_at[delayed.call.pk] = database_now() + timedelta(seconds=5)

    first, second = intents.reslot_late_sends([delayed, free], gate=gate)

    assert first is None
    assert second is not None


def test_send_that_is_given_up_uses_no_slot(number: PhoneNumber, gate: FakeGate) -> None:
    free_at = database_now() + timedelta(seconds=10)
    set_pace(number, next_slot_at=free_at)

    intents.reslot_late_sends([intent(number)], gate=gate)

    assert next_slot_at(number) == free_at
    assert gate.slots == {}


def test_late_send_is_not_admitted_a_second_time(number: PhoneNumber, gate: FakeGate) -> None:
    intents.reslot_late_sends([intent(number)], gate=gate)

    assert gate.admitted == []


def test_late_send_of_a_number_that_was_removed_goes_out_now(
    ours: Workspace, gate: FakeGate
) -> None:
    call = make.call(ours, stage=Stage.INTENT, intent_at=database_now())

    [slot] = intents.reslot_late_sends(load_jobs([call.pk]), gate=gate)

    assert slot is not None
    assert timedelta(0) <= database_now() - slot < timedelta(seconds=1)


# --- put_back


def test_unsent_intent_is_reserved_again(number: PhoneNumber) -> None:
    job = intent(number)

    assert intents.put_back(job, OWNER)

    call = stored(job)
    assert (call.stage, call.intent_at, call.not_after) == (Stage.RESERVED, None, None)
    assert (job.call.stage, job.call.intent_at) == (Stage.RESERVED, None)


@pytest.mark.parametrize("stage", [Stage.UNKNOWN, Stage.DIALING, Stage.ENDED])
def test_intent_that_has_moved_on_is_not_put_back(number: PhoneNumber, stage: Stage) -> None:
    job = intent(number)
    Call.unscoped.filter(pk=job.call.pk).update(stage=stage)

    assert not intents.put_back(job, OWNER)
    assert stored(job).stage == stage


def test_intent_of_another_owner_is_not_put_back(number: PhoneNumber) -> None:
    job = intent(number)

    assert not intents.put_back(job, uuid7())
    assert stored(job).stage == Stage.INTENT


def test_intent_that_was_committed_again_is_not_put_back(number: PhoneNumber) -> None:
    job = intent(number)
    Call.unscoped.filter(pk=job.call.pk).update(intent_at=database_now() + timedelta(seconds=3))

    assert not intents.put_back(job, OWNER)


# --- small rules


def test_intent_ends_a_second_after_its_commit(number: PhoneNumber) -> None:
    call = intent(number).call
    assert call.intent_at is not None

    assert intents.intent_ends_at(call) == call.intent_at + INTENT_LIFETIME


@pytest.mark.parametrize(
    ("reason", "description"),
    [
        ("min_gap", "Not dialled: min gap"),
        ("abandoned", ABANDONED.description),
        (None, "Put back before it was dialled"),
    ],
)
def test_refusal_is_described_without_blame(reason: str | None, description: str) -> None:
    verdict = intents.refusal_verdict(reason)

    assert verdict.description == description
    assert (verdict.blame, verdict.sent, verdict.counts) == (Blame.PLATFORM_POLICY, False, False)
