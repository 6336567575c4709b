"""Responses to dial requests, and what they make of their calls."""

from datetime import timedelta

import pytest
from django.utils import timezone

from telephony.clients.livekit.dial import Answered, DialResult, Lost, NeverSent
from telephony.dialing import responses
from telephony.dialing.jobs import Job
from telephony.dialing.responses import DialResponse, record_responses
from telephony.domain import call_states
from telephony.domain.dial_verdicts import DialRefusal
from telephony.models import Call, PhoneNumber, Stage
from tests.telephony.dialing.conftest import intent, stored
from tests.telephony.dialing.fakes import left_webhook

BUSY = DialRefusal("resource_exhausted", 429, "busy", sip_code=486, sip_phrase="Busy Here")
SERVER_DIED = DialRefusal("internal", 500, "internal error")
KEY_REFUSED = DialRefusal("unknown", 401)


def response(job: Job, result: DialResult, *, seconds: float = 4) -> DialResponse:
    """A response that came `seconds` after the send."""
    assert job.call.intent_at is not None
    sent_at = job.call.intent_at + timedelta(milliseconds=100)
    return DialResponse(
        job=job, sent_at=sent_at, received_at=sent_at + timedelta(seconds=seconds), result=result
    )


def record(job: Job, result: DialResult, *, seconds: float = 4) -> Call:
    record_responses([response(job, result, seconds=seconds)])
    return stored(job)


def test_answered_call_is_in_progress(number: PhoneNumber) -> None:
    job = intent(number)
    answer = response(job, Answered("SCL_1"))

    assert record_responses([answer]) == [job.call]

    call = stored(job)
    assert (call.stage, call.sip_call_id, call.sip_status_code) == (
        Stage.IN_PROGRESS,
        "SCL_1",
        200,
    )
    assert (call.dialed_at, call.answered_at) == (answer.sent_at, answer.received_at)


def test_busy_call_ends_as_an_attempt_with_the_carriers_answer(number: PhoneNumber) -> None:
    call = record(intent(number), BUSY)

    assert (call.stage, call.outcome, call.counts) == (Stage.ENDED, "busy", True)
    assert (call.sip_status_code, call.sip_status) == (486, "Busy Here")
    assert call.events.get(type="ended").text == "The callee's line was busy (486 Busy Here)"


def test_long_sip_phrase_is_cut_to_its_column(number: PhoneNumber) -> None:
    call = record(intent(number), DialRefusal("x", 429, "", sip_code=486, sip_phrase="x" * 300))

    assert call.sip_status == "x" * 255


def test_request_that_was_never_sent_counts_no_attempt(number: PhoneNumber) -> None:
    call = record(intent(number), NeverSent("could not be reached"))

    assert (call.stage, call.end_reason) == (Stage.ENDED, "livekit_unreachable")
    assert call.counts is False


@pytest.mark.parametrize("result", [Lost("ServerDisconnectedError"), SERVER_DIED])
def test_lost_or_ambiguous_answer_leaves_the_call_in_doubt(
    number: PhoneNumber, result: DialResult
) -> None:
    call = record(intent(number), result)

    assert (call.stage, call.outcome, call.dialed_at) == (Stage.UNKNOWN, None, None)
    assert call.lease_expires_at is None


def test_lost_answer_frees_a_call_that_rings_for_the_reconciler(number: PhoneNumber) -> None:
    job = intent(number)
    Call.unscoped.filter(pk=job.call.pk).update(stage=Stage.RINGING)

    call = record(job, Lost("TimeoutError"))

    assert (call.stage, call.lease_expires_at) == (Stage.RINGING, None)


def test_refused_key_after_the_tokens_end_is_the_fence_at_work(number: PhoneNumber) -> None:
    call = record(intent(number), KEY_REFUSED, seconds=11)

    assert (call.stage, call.end_reason, call.counts) == (Stage.ENDED, "fenced", False)


def test_refused_key_before_the_tokens_end_is_the_keys_fault(number: PhoneNumber) -> None:
    call = record(intent(number), KEY_REFUSED, seconds=1)

    assert call.end_reason == "livekit_key_refused"


def test_time_of_the_send_replaces_what_the_agent_reported(number: PhoneNumber) -> None:
    job = intent(number)
    assert job.call.intent_at is not None
    reported_at = job.call.intent_at + timedelta(seconds=1)
    Call.unscoped.filter(pk=job.call.pk).update(stage=Stage.DIALING, dialed_at=reported_at)

    call = record(job, BUSY)

    assert call.dialed_at == job.call.intent_at + timedelta(milliseconds=100)


def dated(call: Call) -> list[tuple[str, object]]:
    return list(call.events.order_by("at", "pk").values_list("type", "at"))


def test_dialing_event_is_dated_as_the_send(number: PhoneNumber) -> None:
    job = intent(number)
    assert job.call.intent_at is not None
    joined_at = job.call.intent_at + timedelta(seconds=1)
    call_states.mark_callee_joined(stored(job), at=joined_at, source="agent")

    call = record(job, BUSY)

    assert dated(call) == [("dialing", call.dialed_at), ("ended", call.ended_at)]
    assert call.dialed_at == job.call.intent_at + timedelta(milliseconds=100)


def test_ringing_by_a_clock_that_runs_behind_does_not_precede_the_dial(number: PhoneNumber) -> None:
    job = intent(number)
    assert job.call.intent_at is not None
    rang_at = job.call.intent_at + timedelta(milliseconds=50)
    call_states.mark_ringing(stored(job), at=rang_at, source="agent")

    call = record(job, Answered("SCL_1"))

    assert dated(call) == [
        ("dialing", rang_at),
        ("ringing", rang_at),
        ("answered", call.answered_at),
    ]
    assert call.dialed_at == rang_at


def test_call_that_was_cancelled_meanwhile_stays_cancelled(number: PhoneNumber) -> None:
    job = intent(number)
    Call.unscoped.filter(pk=job.call.pk).update(
        stage=Stage.ENDED, outcome="cancelled", ended_at=timezone.now()
    )

    assert record(job, BUSY).outcome == "cancelled"


def test_response_to_a_call_that_was_deleted_is_dropped(number: PhoneNumber) -> None:
    deleted, kept = intent(number), intent(number)
    Call.unscoped.filter(pk=deleted.call.pk).delete()

    answered = record_responses(
        [response(deleted, Answered("SCL_1")), response(kept, Answered("SCL_2"))]
    )

    assert answered == [kept.call]


def test_chunk_of_responses_is_written_each_for_itself(number: PhoneNumber) -> None:
    results: list[DialResult] = [Answered("SCL_1"), BUSY, Lost("TimeoutError")]
    jobs = [intent(number) for _ in results]

    answered = record_responses(
        [response(job, result) for job, result in zip(jobs, results, strict=True)]
    )

    assert answered == [jobs[0].call]
    assert [stored(job).stage for job in jobs] == [Stage.IN_PROGRESS, Stage.ENDED, Stage.UNKNOWN]


RANG_OUT = DialRefusal("canceled", 408, "sip request timed out")


@pytest.mark.parametrize("position", [0, 1, 2])
def test_response_that_cannot_be_written_keeps_no_other_back(
    number: PhoneNumber, position: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [intent(number) for _ in range(3)]
    write = responses._move

    def fail(call: Call, given: DialResponse) -> None:
        if call.pk == jobs[position].call.pk:
            raise ValueError("a surprise")
        write(call, given)

    monkeypatch.setattr(responses, "_move", fail)
    answered = record_responses([response(job, Answered("SCL_1")) for job in jobs])

    stages = [Stage.IN_PROGRESS] * 3
    stages[position] = Stage.UNKNOWN
    assert [stored(job).stage for job in jobs] == stages
    assert stored(jobs[position]).lease_expires_at is None
    assert [call.pk for call in answered] == [
        job.call.pk for job in jobs if job is not jobs[position]
    ]


def test_call_that_never_rang_is_the_carriers_silence(number: PhoneNumber) -> None:
    call = record(intent(number), RANG_OUT, seconds=30)

    assert (call.outcome, call.end_reason, call.counts) == (
        "carrier_error",
        "carrier_silent",
        False,
    )
    assert call.events.get(type="ended").text == "The carrier did not react"


def test_call_that_rang_and_timed_out_was_not_answered(number: PhoneNumber) -> None:
    call = record(intent(number, ringing_at=timezone.now()), RANG_OUT, seconds=30)

    assert (call.outcome, call.end_reason, call.counts) == ("no_answer", "ringing_timeout", True)


@pytest.mark.parametrize(
    ("status", "reason"),
    [("ringing", "ringing_timeout"), ("dialing", "carrier_silent"), ("", "carrier_silent")],
)
def test_webhook_shows_whether_the_phone_rang_where_the_agent_did_not(
    number: PhoneNumber, status: str, reason: str
) -> None:
    job = intent(number)
    left_webhook(job.call, status)

    assert record(job, RANG_OUT, seconds=30).end_reason == reason


@pytest.mark.parametrize("result", [BUSY, DialRefusal("x", 429, "", sip_code=480)])
def test_carrier_that_answered_was_not_silent(number: PhoneNumber, result: DialRefusal) -> None:
    assert record(intent(number), result).counts is True
