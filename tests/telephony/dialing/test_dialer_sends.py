"""Intents, sends and responses of the dialer, with LiveKit played in memory."""

import asyncio
import time
from datetime import timedelta

import jwt
import pytest
from django.db import OperationalError
from google.protobuf.json_format import MessageToDict

from telephony.dialing.dialer import Dialer
from telephony.dialing.jobs import Job
from telephony.dialing.protocol import MAX_UNSENT_INTENTS
from telephony.domain.room_deletion import AGENT_LEAVE_TIME
from telephony.models import Call, NumberPace, PhoneNumber, Stage
from tests import make
from tests.telephony.dialing.conftest import intent, reserved, stored
from tests.telephony.dialing.dialers import make_ready, settle
from tests.telephony.dialing.fakes import FakeGate, FakeLiveKit, InlineDatabase, busy, server_error
from voiceops.core.clock import database_now

# --- commit_intents and send


async def test_ready_call_is_dialled_exactly_once(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    job = reserved(number)
    make_ready(dialer, job)

    await dialer.commit_intents()
    await settle(dialer)
    await dialer.commit_intents()
    await settle(dialer)

    [request] = livekit.dialled
    assert (request.sip_trunk_id, request.sip_call_to) == (job.trunk_id, job.call.to_number)
    assert (request.room_name, request.sip_number) == (job.call.room, number.phone_number)
    assert request.participant_identity == job.call.callee_identity
    assert request.hide_phone_number
    assert request.wait_until_answered


async def test_intent_is_committed_before_anything_is_sent(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    job = reserved(number)
    make_ready(dialer, job)

    await dialer.commit_intents()

    assert (stored(job).stage, livekit.dialled) == (Stage.INTENT, [])
    await settle(dialer)
    assert len(livekit.dialled) == 1


async def test_token_of_the_dial_ends_with_its_intent(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    job = reserved(number)
    make_ready(dialer, job)

    await dialer.commit_intents()
    await settle(dialer)

    [token] = livekit.tokens
    claims = jwt.decode(token, options={"verify_signature": False})
    assert job.call.not_after is not None
    assert claims["exp"] == int(job.call.not_after.timestamp())
    assert (claims["sip"], claims["video"]) == ({"call": True}, {})


async def test_limits_of_the_agent_go_into_the_request(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    agent = make.agent(number.workspace, ringing_timeout_seconds=17, max_call_duration_seconds=90)
    make_ready(dialer, reserved(number, agent=agent))

    await dialer.commit_intents()
    await settle(dialer)

    request = MessageToDict(livekit.dialled[0])
    assert (request["ringingTimeout"], request["maxCallDuration"]) == ("17s", "90s")


async def test_calls_leave_at_their_slots(
    dialer: Dialer, gate: FakeGate, number: PhoneNumber
) -> None:
    make_ready(dialer, *(reserved(number) for _ in range(3)))

    await dialer.commit_intents()
    await settle(dialer)

    sent_at = {response.job.call.pk: response.sent_at for response in dialer.responses}
    assert sent_at.keys() == gate.slots.keys()
    assert all(sent_at[pk] >= slot for pk, slot in gate.slots.items())


async def test_refused_call_is_not_dialled_and_its_room_is_closed(
    dialer: Dialer, livekit: FakeLiveKit, gate: FakeGate, number: PhoneNumber
) -> None:
    job = reserved(number)
    gate.refusals[job.call.pk] = "batch_paused"
    make_ready(dialer, job)

    await dialer.commit_intents()
    await settle(dialer)

    assert stored(job).end_reason == "batch_paused"
    assert (livekit.dialled, livekit.deleted) == ([], [job.call.room])
    assert not dialer.busy


async def test_call_beyond_the_horizon_goes_to_the_end_of_the_queue(
    dialer: Dialer, gate: FakeGate, number: PhoneNumber
) -> None:
    slow, quick = reserved(number), reserved(number)
    gate.allowed_at[slow.call.pk] = database_now() + timedelta(seconds=5)
    later = reserved(number)
    make_ready(dialer, slow, quick)

    await dialer.commit_intents()
    make_ready(dialer, later)

    assert list(dialer.ready) == [slow.call.pk, later.call.pk]
    await settle(dialer)


async def test_pace_rests_while_every_slot_is_given_out(
    dialer: Dialer, inline_db: InlineDatabase, number: PhoneNumber
) -> None:
    until = database_now() + timedelta(seconds=5)
    NumberPace.unscoped.filter(number=number).update(backoff_until=until)
    make_ready(dialer, reserved(number))
    await dialer.commit_intents()
    inline_db.failures["commit_intents"] = OperationalError("must not be asked")

    await dialer.commit_intents()

    assert "commit_intents" in inline_db.failures
    assert dialer.pace_rests_until <= time.monotonic() + 0.1


async def test_no_more_intents_are_committed_than_can_be_sent_in_time(
    dialer: Dialer, number: PhoneNumber
) -> None:
    make_ready(dialer, reserved(number))
    dialer.unsent_intents = MAX_UNSENT_INTENTS

    await dialer.commit_intents()

    assert dialer.held == 1


async def test_intents_that_were_sent_make_room_for_others(
    dialer: Dialer, number: PhoneNumber
) -> None:
    make_ready(dialer, reserved(number), reserved(number))

    await dialer.commit_intents()
    assert dialer.unsent_intents == 2
    await settle(dialer)

    assert dialer.unsent_intents == 0


# --- late sends


LATE = timedelta(milliseconds=500)


async def start_send(dialer: Dialer, job: Job, *, slot_ago: timedelta) -> None:
    """Begin a send that wakes so long after its slot."""
    now = database_now()
    dialer.clock = (now, time.monotonic())
    dialer.unsent_intents += 1
    dialer.in_flight[job.call.pk] = dialer.spawn(dialer.send(job, now - slot_ago))
    for _ in range(3):  # turns of the event loop, until it waits for something
        await asyncio.sleep(0)


async def test_send_within_the_tolerance_goes_out(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    await start_send(dialer, intent(number), slot_ago=timedelta(milliseconds=5))
    await settle(dialer)

    assert len(livekit.dialled) == 1
    assert dialer.late == []


async def test_send_that_wakes_too_late_waits_for_a_new_slot(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    job = intent(number)
    await start_send(dialer, job, slot_ago=LATE)

    assert [late for late, _ in dialer.late] == [job]
    assert livekit.dialled == []

    await dialer.commit_intents()
    await settle(dialer)

    assert (len(livekit.dialled), dialer.late) == (1, [])


async def test_late_send_is_put_back_when_the_number_backs_off(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    job = intent(number)
    until = database_now() + timedelta(seconds=30)
    NumberPace.unscoped.filter(number=number).update(backoff_until=until)
    await start_send(dialer, job, slot_ago=LATE)

    await dialer.commit_intents()
    await settle(dialer)

    assert stored(job).stage == Stage.RESERVED
    assert (list(dialer.ready), livekit.dialled) == ([job.call.pk], [])
    assert not dialer.in_flight


async def test_late_send_is_put_back_when_its_batchs_pace_outlasts_its_intent(
    dialer: Dialer, livekit: FakeLiveKit, gate: FakeGate, number: PhoneNumber
) -> None:
    job = intent(number)
    gate.allowed_at[job.call.pk] = database_now() + timedelta(seconds=2)
    await start_send(dialer, job, slot_ago=LATE)

    await dialer.commit_intents()
    await settle(dialer)

    assert (stored(job).stage, livekit.dialled) == (Stage.RESERVED, [])


async def test_intent_that_has_grown_old_is_put_back_and_not_sent(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    job = intent(number, intent_at=database_now() - timedelta(seconds=2))

    await start_send(dialer, job, slot_ago=timedelta(0))
    await settle(dialer)

    assert (stored(job).stage, livekit.dialled) == (Stage.RESERVED, [])
    assert list(dialer.ready) == [job.call.pk]


async def test_old_intent_that_has_moved_on_is_dropped(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    job = intent(number, intent_at=database_now() - timedelta(seconds=2))
    Call.unscoped.filter(pk=job.call.pk).update(stage=Stage.UNKNOWN)

    await start_send(dialer, job, slot_ago=timedelta(0))
    await settle(dialer)

    assert (livekit.dialled, dialer.busy) == ([], False)


async def test_late_send_survives_a_database_that_is_away(
    dialer: Dialer, livekit: FakeLiveKit, inline_db: InlineDatabase, number: PhoneNumber
) -> None:
    await start_send(dialer, intent(number), slot_ago=LATE)
    inline_db.failures["reslot_late_sends"] = OperationalError("gone")
    with pytest.raises(OperationalError):
        await dialer.commit_intents()

    await dialer.commit_intents()
    await settle(dialer)

    assert len(livekit.dialled) == 1


# --- record_responses


async def test_answered_calls_are_handed_on(
    dialer: Dialer, answered: list[Call], number: PhoneNumber
) -> None:
    job = reserved(number)
    make_ready(dialer, job)
    await dialer.commit_intents()
    await settle(dialer)

    await dialer.record_responses()
    await settle(dialer)

    assert (stored(job).stage, answered) == (Stage.IN_PROGRESS, [job.call])
    assert not dialer.busy


async def test_agent_of_a_refused_call_has_its_moment_before_the_room_is_due(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    job = reserved(number)
    livekit.answer = busy()
    make_ready(dialer, job)
    await dialer.commit_intents()
    await settle(dialer)

    await dialer.record_responses()
    await settle(dialer)

    call = stored(job)
    assert (call.outcome, livekit.deleted) == ("busy", [])
    assert call.ended_at is not None
    assert call.room_delete_at == call.ended_at + AGENT_LEAVE_TIME


@pytest.mark.parametrize("failure", [server_error(500, "internal"), TimeoutError()])
async def test_room_of_a_call_in_doubt_stays_for_the_reconciler(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber, failure: Exception
) -> None:
    job = reserved(number)
    livekit.answer = failure
    make_ready(dialer, job)
    await dialer.commit_intents()
    await settle(dialer)

    await dialer.record_responses()
    await settle(dialer)

    assert (stored(job).stage, livekit.deleted) == (Stage.UNKNOWN, [])


async def test_response_survives_a_database_that_is_away(
    dialer: Dialer, inline_db: InlineDatabase, number: PhoneNumber
) -> None:
    job = reserved(number)
    make_ready(dialer, job)
    await dialer.commit_intents()
    await settle(dialer)
    inline_db.failures["record_responses"] = OperationalError("gone")

    with pytest.raises(OperationalError):
        await dialer.record_responses()
    assert dialer.busy
    await dialer.record_responses()

    assert stored(job).stage == Stage.IN_PROGRESS
