"""LiveKit's `participant_left` and `room_finished`: what they prove, and when the call ended."""

import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from telephony.domain import call_states
from telephony.domain.dial_verdicts import CARRIER_UNREACHABLE, NO_ANSWER
from telephony.models import Call, InboxEvent, Stage
from tests import make
from tests.telephony.calls import livekit

SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def real_time(settings: Any) -> None:
    """Limits last as long as at LiveKit; the sandbox plays them faster."""
    settings.USES_SANDBOX = False


def ringing(of: Workspace, **fields: Any) -> Call:
    then = timezone.now() - 20 * SECOND
    times = {"intent_at": then, "dialed_at": then, "ringing_at": then, "callee_joined_at": then}
    return make.call(of, **{"stage": Stage.RINGING, **times, **fields})


def talking(of: Workspace, *, seconds: float = 20, **fields: Any) -> Call:
    """A call that was dialled so many seconds ago."""
    then = timezone.now() - seconds * SECOND
    times = {"intent_at": then, "dialed_at": then, "answered_at": then + SECOND}
    return make.call(of, **{"stage": Stage.IN_PROGRESS, **times, **fields})


def left(
    call: Call, reason: str = "CLIENT_INITIATED", *, ago: int = 0, **attributes: Any
) -> dict[str, Any]:
    """The webhook of the callee's departure, which LiveKit dates `ago` seconds back."""
    names = {"status": "sip.callStatus", "tag": "sip.callTag", "full": "sip.callIDFull"}
    shown = {names[name]: value for name, value in attributes.items()}
    leg = livekit.callee(call, disconnectReason=reason, attributes=shown)
    body = livekit.event("participant_left", call, participant=leg)
    return {**body, "createdAt": str(int(time.time()) - ago)}


def after(call: Call, *bodies: dict[str, Any]) -> Call:
    for body in bodies:
        livekit.post(body)
    return Call.unscoped.get(pk=call.pk)


@pytest.mark.parametrize(
    "attributes",
    [
        {"status": "hangup"},
        {"status": "active"},
        {"tag": "as5"},
        {"full": "x@sip"},
        {"status": "ringing", "tag": "as5"},
    ],
)
def test_leg_that_was_answered_is_believed_although_no_answer_was_reported(
    ours: Workspace, attributes: dict[str, Any]
) -> None:
    call = ringing(ours)

    ended = after(call, left(call, **attributes))

    assert (ended.stage, ended.outcome, ended.end_reason) == (Stage.ENDED, "answered", "hung_up")
    assert ended.duration_seconds == 0.0


def test_answer_of_the_dial_that_comes_after_the_departure_gives_the_time(ours: Workspace) -> None:
    call = ringing(ours)
    answered_at = timezone.now() - 7 * SECOND
    ended = after(call, left(call, status="hangup"))

    call_states.mark_answered(ended, at=answered_at, source="dial", sip_call_id="SCL_1")

    ended.refresh_from_db()
    assert (ended.answered_at, ended.sip_call_id) == (answered_at, "SCL_1")
    assert ended.duration_seconds is not None
    assert 6.5 < ended.duration_seconds < 8


def test_answered_leg_of_a_call_that_ended_unanswered_makes_it_answered(ours: Workspace) -> None:
    call = ringing(ours)
    call_states.mark_failed(call, verdict=NO_ANSWER, at=timezone.now())
    Call.unscoped.filter(pk=call.pk).update(settled_at=timezone.now())

    ended = after(call, left(call, status="hangup"))

    assert (ended.outcome, ended.end_reason, ended.settled_at) == ("answered", "hung_up", None)


def test_answer_that_was_not_seen_ringing_is_believed_from_its_tag(ours: Workspace) -> None:
    call = ringing(ours, stage=Stage.DIALING, ringing_at=None)

    ended = after(call, left(call, status="ringing", tag="as5"))

    assert (ended.stage, ended.outcome) == (Stage.ENDED, "answered")


def seen(call: Call) -> list[str]:
    """The types of the call's events in their order."""
    return list(call.events.order_by("at", "pk").values_list("type", flat=True))


def test_agents_late_report_of_an_answer_gives_the_talk_time(ours: Workspace) -> None:
    call = ringing(ours)
    after(call, left(call, status="hangup"))
    seven_ago = (timezone.now() - 7 * SECOND).isoformat()

    livekit.report(
        call,
        {**livekit.reported("callee_answered"), "at": seven_ago},
        livekit.reported("detected", kind="human"),
        livekit.reported("callee_left", reason="callee_hangup"),
    )

    ended = Call.unscoped.get(pk=call.pk)
    assert ended.duration_seconds is not None
    assert 5.5 < ended.duration_seconds < 8
    assert (ended.hung_up_by, seen(ended)) == ("callee", ["answered", "detected", "ended"])


def test_phone_rings_before_it_is_answered_also_when_both_are_reported_late(
    ours: Workspace,
) -> None:
    call = ringing(ours, ringing_at=None, stage=Stage.DIALING)
    after(call, left(call, status="hangup"))
    seven_ago = (timezone.now() - 7 * SECOND).isoformat()

    livekit.report(
        call,
        {**livekit.reported("agent_alive", callee_status="ringing"), "at": seven_ago},
        {**livekit.reported("callee_answered"), "at": seven_ago},
    )

    assert seen(call) == ["ringing", "answered", "ended"]


def test_callee_leaves_after_the_dial_whatever_the_agents_clock_reads(ours: Workspace) -> None:
    call = ringing(ours)
    call_states.mark_failed(call, verdict=NO_ANSWER, at=timezone.now())
    long_ago = (timezone.now() - 60 * SECOND).isoformat()

    livekit.report(
        call, {**livekit.reported("callee_left", reason="user_unavailable"), "at": long_ago}
    )

    event = call.events.get(type="callee_left")
    assert call.ringing_at is not None
    assert event.at >= call.ringing_at


def test_answer_that_comes_after_the_end_stands_before_it(ours: Workspace) -> None:
    call = ringing(ours)
    call_states.mark_failed(call, verdict=NO_ANSWER, at=timezone.now() - 2 * SECOND)

    ended = after(call, left(call, status="hangup"))

    assert seen(ended) == ["alarm", "answered", "ended"]


def test_callee_in_the_room_of_a_carrier_that_cannot_be_reached_is_no_alarm(
    ours: Workspace,
) -> None:
    """LiveKit lets them join before it connects to the carrier, and its webhook may be late."""
    call = ringing(ours, stage=Stage.INTENT, dialed_at=None, ringing_at=None, callee_joined_at=None)
    call_states.mark_failed(call, verdict=CARRIER_UNREACHABLE, at=timezone.now())
    leg = livekit.callee(call, attributes={"sip.callStatus": "dialing"})
    came = livekit.event("participant_joined", call, participant=leg)

    ended = after(call, came, left(call, status="dialing"))

    assert (ended.end_reason, seen(ended)) == ("carrier_unreachable", ["ended"])


def test_departure_without_an_answer_leaves_the_call_to_the_dials_answer(ours: Workspace) -> None:
    call = ringing(ours)

    assert after(call, left(call, "USER_UNAVAILABLE", status="ringing")).stage == Stage.RINGING


@pytest.mark.parametrize("reason", ["DUPLICATE_IDENTITY", "MIGRATION"])
def test_leg_that_is_replaced_by_itself_goes_on(ours: Workspace, reason: str) -> None:
    call = talking(ours)

    assert after(call, left(call, reason, status="active")).stage == Stage.IN_PROGRESS


def test_second_arrival_of_the_same_leg_changes_nothing(ours: Workspace) -> None:
    call = ringing(ours)
    body = livekit.event("participant_joined", call, participant=livekit.callee(call))

    joined = after(call, body)

    assert (joined.stage, joined.callee_joined_at) == (Stage.RINGING, call.callee_joined_at)
    assert call.events.count() == 0


def test_callers_leg_was_answered_only_when_it_was_active(ours: Workspace) -> None:
    """An inbound leg has its SIP ids from the start."""
    fields = {"direction": "inbound", "room": f"in-{'0' * 32}_+12025550123_x", "intent_at": None}
    call = ringing(ours, **fields)
    Call.unscoped.filter(pk=call.pk).update(room=call.room)

    waiting = after(call, left(call, status="ringing", tag="as5", full="x@sip"))

    assert waiting.stage == Stage.RINGING


# --- when it ended


def test_late_webhook_dates_the_end_by_livekits_time(ours: Workspace) -> None:
    call = talking(ours, seconds=60)

    ended = after(call, left(call, ago=25, status="hangup"))

    assert ended.duration_seconds is not None
    assert 33 <= ended.duration_seconds <= 35


def test_room_that_closed_when_idle_had_lost_its_callee_before(ours: Workspace) -> None:
    call = talking(ours, seconds=60)
    body = livekit.event("room_finished", call, roomEndReason="ROOM_END_IDLE_TIMEOUT")

    ended = after(call, body)

    assert ended.duration_seconds is not None
    assert 38 <= ended.duration_seconds <= 40


def unnoticed(of: Workspace) -> tuple[Call, datetime]:
    """A call found over half a minute after its dial; LiveKit's own time is seven seconds in."""
    call = talking(of, seconds=30)
    assert call.answered_at is not None
    call_states.mark_hung_up(call, at=timezone.now(), reason="left_unnoticed", source="poll")
    return call, call.answered_at


def test_late_webhook_corrects_the_end_that_no_source_saw(ours: Workspace) -> None:
    call, answered_at = unnoticed(ours)

    ended = after(call, left(call, ago=22, status="hangup"))

    assert ended.end_reason == "hung_up"
    assert ended.ended_at is not None
    assert 5 <= (ended.ended_at - answered_at).total_seconds() <= 8
    [event] = ended.events.filter(type="ended")
    assert (event.at, event.data["reason"]) == (ended.ended_at, "hung_up")


def test_late_report_corrects_the_end_that_no_source_saw(ours: Workspace) -> None:
    call, answered_at = unnoticed(ours)
    at = (answered_at + 7 * SECOND).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    livekit.report(call, {**livekit.reported("callee_left", reason="callee_hangup"), "at": at})

    ended = Call.unscoped.get(pk=call.pk)
    assert (ended.end_reason, ended.hung_up_by) == ("callee_hangup", "callee")
    assert ended.duration_seconds == 7.0


def test_webhook_does_not_move_an_end_that_was_seen(ours: Workspace) -> None:
    call = talking(ours)
    ended_at = timezone.now() - 5 * SECOND
    call_states.mark_hung_up(call, at=ended_at, reason="agent_hangup", by="agent", source="agent")

    assert after(call, left(call, status="hangup")).ended_at == ended_at


# --- the maximum duration


@pytest.mark.parametrize(
    ("seconds", "reason", "by"),
    [(57, "hung_up", None), (59.5, "max_duration", "agent"), (61, "max_duration", "agent")],
)
def test_call_that_livekit_ended_at_its_maximum_is_known_by_our_clock(
    ours: Workspace, seconds: float, reason: str, by: str | None
) -> None:
    """LiveKit reports it as a hang-up, and counts the maximum from the dial."""
    call = talking(ours, seconds=seconds, agent=make.agent(ours, max_call_duration_seconds=60))

    ended = after(call, left(call, status="hangup"))

    assert (ended.end_reason, ended.hung_up_by) == (reason, by)


def test_agent_cannot_tell_the_maximum_from_a_hangup(ours: Workspace) -> None:
    call = talking(ours, seconds=61, agent=make.agent(ours, max_call_duration_seconds=60))

    livekit.report(call, livekit.reported("callee_left", reason="callee_hangup"))

    ended = Call.unscoped.get(pk=call.pk)
    assert (ended.end_reason, ended.hung_up_by) == ("max_duration", "agent")


def test_stored_webhook_has_no_turn_password(ours: Workspace) -> None:
    call = talking(ours)
    body = livekit.event("room_finished", call)
    body["room"]["turnPassword"] = "secret"

    livekit.post(body)

    assert InboxEvent.objects.get().body["room"] == {"name": call.room}
