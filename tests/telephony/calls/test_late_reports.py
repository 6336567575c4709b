from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from telephony.domain import call_states
from telephony.domain.dial_verdicts import BY_REASON
from telephony.domain.timeline import add_event
from telephony.models import Call, Outcome, Stage, Turn
from tests.telephony.calls import livekit
from tests.telephony.calls.livekit import report, reported
from tests.telephony.calls.reported_calls import sent, talking, timeline


def test_agent_adds_who_hung_up_after_the_webhook(ours: Workspace) -> None:
    call = talking(ours)
    left = livekit.callee(call, disconnectReason="CLIENT_INITIATED")
    livekit.post(livekit.event("participant_left", call, participant=left))

    report(call, reported("callee_left", reason="callee_hangup"))

    call.refresh_from_db()
    assert (call.outcome, call.hung_up_by, call.end_reason) == (
        Outcome.ANSWERED,
        "callee",
        "callee_hangup",
    )
    ended = call.events.get(type="ended")
    assert (ended.text, ended.data["reason"]) == ("The callee hung up", "callee_hangup")


def test_machine_reported_after_the_webhook_ended_the_call_is_still_voicemail(
    ours: Workspace,
) -> None:
    call = talking(ours)
    livekit.post(livekit.event("room_finished", call))

    report(call, reported("detected", kind="machine"))

    call.refresh_from_db()
    assert (call.outcome, call.detected) == (Outcome.VOICEMAIL, "machine")
    assert call.events.get(type="ended").data["outcome"] == "voicemail"


def test_callee_leaving_an_unanswered_call_is_evidence(ours: Workspace) -> None:
    call = sent(ours, stage=Stage.RINGING)

    report(call, reported("callee_left", reason="user_rejected"))

    call.refresh_from_db()
    assert (call.stage, call.outcome) == (Stage.RINGING, None)
    assert timeline(call) == [("callee_left", "The callee's line was closed (user rejected)")]


def test_ringing_reported_after_the_answer_is_placed_before_it(ours: Workspace) -> None:
    call = talking(ours, answered_at=timezone.now() - timedelta(seconds=2))
    add_event(call, type="answered", text="answered", at=call.answered_at or timezone.now())

    report(call, reported("agent_alive", callee_status="ringing"))

    call.refresh_from_db()
    assert call.stage == Stage.IN_PROGRESS
    assert call.ringing_at is not None
    assert call.answered_at is not None
    assert call.ringing_at < call.answered_at
    assert [kind for kind, _ in timeline(call)] == ["ringing", "answered"]


def test_departure_is_placed_before_the_end_it_caused(ours: Workspace) -> None:
    call = sent(ours)
    report(call, reported("callee_joined"))
    call.refresh_from_db()
    call_states.mark_failed(call, verdict=BY_REASON["busy"], at=timezone.now(), sip_status_code=486)

    report(call, reported("callee_left", reason="user_rejected"))

    call.refresh_from_db()
    assert [kind for kind, _ in timeline(call)] == ["dialing", "callee_left", "ended"]
    assert call.dialed_at is not None
    assert call.ended_at is not None
    assert call.dialed_at <= call.ended_at


def test_answer_that_overtakes_the_dial_adds_both_events(ours: Workspace) -> None:
    call = sent(ours)

    report(call, reported("callee_answered"))
    report(call, reported("callee_joined"))

    assert [kind for kind, _ in timeline(call)] == ["dialing", "answered"]


def test_agents_end_time_replaces_the_webhooks_arrival_time(ours: Workspace) -> None:
    call = talking(ours)
    livekit.post(livekit.event("room_finished", call))
    then = (timezone.now() - timedelta(seconds=2)).isoformat()

    report(call, {**reported("ended", reason="agent_hangup"), "at": then})

    call.refresh_from_db()
    assert call.ended_at is not None
    assert call.ended_at.isoformat() == then
    assert (call.events.get(type="ended").at, call.hung_up_by) == (call.ended_at, "agent")


def test_later_events_make_up_for_a_lost_answer(ours: Workspace) -> None:
    call = sent(ours, stage=Stage.UNKNOWN)

    report(call, reported("detected", kind="human"))

    call.refresh_from_db()
    assert (call.stage, call.detected) == (Stage.IN_PROGRESS, "human")


def test_answer_after_an_unanswered_end_raises_one_alarm_and_wins(ours: Workspace) -> None:
    call = sent(ours, stage=Stage.ENDED, outcome=Outcome.BUSY, dialed_at=timezone.now())

    for _ in range(2):
        report(call, reported("callee_answered"))

    call.refresh_from_db()
    assert (call.stage, call.outcome) == (Stage.ENDED, Outcome.ANSWERED)
    assert timeline(call) == [
        ("alarm", "An answer was reported after the call had ended unanswered"),
        ("answered", "+12025550186 answered"),
    ]


def test_agents_clock_cannot_date_a_call_before_its_dial_or_into_the_future(
    ours: Workspace,
) -> None:
    call = sent(ours)

    report(call, {**reported("callee_joined"), "at": "2001-01-01T00:00:00Z"})
    report(call, {**reported("callee_answered"), "at": "2099-01-01T00:00:00Z"})

    call.refresh_from_db()
    assert call.callee_joined_at == call.intent_at
    assert call.answered_at is not None
    assert call.answered_at <= timezone.now()


@pytest.mark.parametrize("off", [timedelta(minutes=-5), timedelta(minutes=5)], ids=["slow", "fast"])
def test_agents_clock_does_not_disturb_the_timelines_order(ours: Workspace, off: timedelta) -> None:
    call = talking(ours)
    events = [
        reported("agent_joined"),
        reported("detected", kind="human"),
        reported("tool_call", name="look_up"),
        reported("ended", reason="agent_hangup"),
    ]
    by_its_clock = (timezone.now() + off).isoformat()

    for event in events:
        report(call, {**event, "at": by_its_clock})

    times = list(call.events.order_by("at", "pk").values_list("at", flat=True))
    call.refresh_from_db()
    assert call.created_at <= times[0] <= times[-1] <= timezone.now()
    assert timeline(call)[-1] == ("ended", "The agent hung up")


@pytest.mark.parametrize(
    "event",
    [
        reported("agent_joined"),
        reported("agent_alive"),
        reported("turn", role="agent", text="Goodbye", started_at="2026-11-29T10:00:00Z"),
        reported("usage", llm_tokens=120),
        reported("ended", reason="room_closed"),
    ],
    ids=lambda event: str(event["type"]),
)
def test_agent_is_told_that_its_call_has_ended(ours: Workspace, event: dict[str, Any]) -> None:
    call = sent(ours, stage=Stage.ENDED, outcome=Outcome.BUSY, dialed_at=timezone.now())

    answer = report(call, event)

    assert (answer.status_code, answer.json()) == (200, {"detail": "Call has ended"})


def test_report_that_ends_the_call_is_received(ours: Workspace) -> None:
    call = talking(ours)

    ending = report(call, reported("ended", reason="agent_hangup"))
    afterwards = report(call, reported("agent_alive"))

    assert (ending.json(), afterwards.json()) == (
        {"detail": "Received"},
        {"detail": "Call has ended"},
    )


def test_agent_in_a_room_that_came_back_changes_nothing(ours: Workspace) -> None:
    call = talking(ours)
    livekit.post(livekit.event("room_finished", call))
    before = Call.unscoped.filter(pk=call.pk).values().get()
    events = timeline(call)

    report(call, reported("agent_joined"), reported("agent_alive"))
    report(call, reported("agent_alive"))

    assert Call.unscoped.filter(pk=call.pk).values().get() == before
    assert timeline(call) == events


def test_what_was_said_and_used_is_kept_after_the_end(ours: Workspace) -> None:
    call = talking(ours)
    livekit.post(livekit.event("room_finished", call))

    report(
        call,
        reported("turn", role="callee", text="Bye", started_at="2026-11-29T10:00:00Z"),
        reported("analysis", summary="All is well"),
        reported("tool_call", name="opt_out"),
    )

    call.refresh_from_db()
    assert [turn.text for turn in Turn.unscoped.filter(call=call)] == ["Bye"]
    assert call.events.filter(type="analysis").count() == 1
    assert call.opt_out_at is not None


def test_ringing_that_is_reported_late_makes_a_silent_call_the_callees(ours: Workspace) -> None:
    dialed_at = timezone.now() - timedelta(seconds=30)
    call = sent(ours, stage=Stage.DIALING, intent_at=dialed_at, dialed_at=dialed_at)
    call_states.mark_failed(call, verdict=BY_REASON["carrier_silent"], at=timezone.now())

    report(call, reported("agent_alive", callee_status="ringing"))

    call.refresh_from_db()
    assert (call.outcome, call.end_reason, call.counts) == ("no_answer", "ringing_timeout", True)
    ended = call.events.get(type="ended")
    assert (ended.text, ended.data["outcome"], ended.data["reason"]) == (
        "Nobody answered before the ringing timeout",
        "no_answer",
        "ringing_timeout",
    )


def test_livekits_last_word_on_the_leg_shows_that_the_phone_rang(ours: Workspace) -> None:
    dialed_at = timezone.now() - timedelta(seconds=30)
    call = sent(ours, stage=Stage.DIALING, intent_at=dialed_at, dialed_at=dialed_at)
    call_states.mark_failed(call, verdict=BY_REASON["carrier_silent"], at=timezone.now())
    left = livekit.callee(
        call, disconnectReason="USER_UNAVAILABLE", attributes={"sip.callStatus": "ringing"}
    )

    livekit.post(livekit.event("participant_left", call, participant=left))

    call.refresh_from_db()
    assert (call.outcome, call.end_reason, call.counts) == ("no_answer", "ringing_timeout", True)
    assert call.ringing_at is not None


def test_answer_that_crossed_the_loss_of_the_agent_is_an_answer(ours: Workspace) -> None:
    now = timezone.now()
    call = sent(ours, stage=Stage.RINGING, dialed_at=now, ringing_at=now)
    call_states.mark_failed(call, verdict=BY_REASON["agent_lost"], at=now + timedelta(seconds=1))

    call_states.mark_answered(call, at=now + timedelta(seconds=2), source="dial")

    call.refresh_from_db()
    assert (call.stage, call.outcome, call.end_reason, call.counts) == (
        Stage.ENDED,
        Outcome.ANSWERED,
        "agent_lost",
        True,
    )
    assert [kind for kind, _ in timeline(call)] == ["answered", "ended"]


def test_agent_that_was_lost_does_not_change_the_end(ours: Workspace) -> None:
    call = talking(ours)
    call_states.mark_hung_up(call, at=timezone.now(), reason="agent_lost", source="poll")

    report(call, reported("ended", reason="agent_hangup"))

    call.refresh_from_db()
    assert (call.end_reason, call.hung_up_by) == ("agent_lost", None)


@pytest.mark.parametrize(
    ("seen", "reported_end", "kept"),
    [
        # A worker that was restarted delivers how it took leave of the callee.
        ("left_unnoticed", "agent_stopped", ("agent_stopped", "agent")),
        # It had ended the call itself, before we missed it.
        ("agent_lost", "agent_stopped", ("agent_stopped", "agent")),
        # Its room was deleted for it, and the webhook only knows that.
        ("room_deleted", "agent_crashed", ("agent_crashed", None)),
        ("room_closed", "provider_failed", ("provider_failed", None)),
        # Here the callee went first, and there is nothing to explain.
        ("hung_up", "agent_crashed", ("hung_up", None)),
        ("agent_lost", "room_closed", ("agent_lost", None)),
    ],
)
def test_later_and_better_evidence_of_an_end_wins(
    ours: Workspace, seen: str, reported_end: str, kept: tuple[str, str | None]
) -> None:
    now = timezone.now()
    began = now - timedelta(seconds=20)
    call = talking(ours, intent_at=began, dialed_at=began, answered_at=began)
    call_states.mark_hung_up(call, at=now, reason=seen, source="poll")
    at = (now - timedelta(seconds=10)).isoformat().replace("+00:00", "Z")

    report(call, {**reported("ended", reason=reported_end), "at": at})

    call.refresh_from_db()
    assert (call.end_reason, call.hung_up_by) == kept
    assert call.events.get(type="ended").data["reason"] == kept[0]
