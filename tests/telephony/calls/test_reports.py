from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Workspace
from telephony.domain import call_states, report_tokens
from telephony.domain.dial_verdicts import BY_REASON
from telephony.models import Call, Outcome, Stage
from tests import make
from tests.telephony.calls import livekit
from tests.telephony.calls.livekit import report, reported


def sent(of: Workspace, **fields: Any) -> Call:
    return make.call(
        of, **{"stage": Stage.INTENT, "intent_at": timezone.now() - timedelta(seconds=5), **fields}
    )


def talking(of: Workspace, **fields: Any) -> Call:
    then = timezone.now() - timedelta(seconds=5)
    times = {"intent_at": then, "dialed_at": then, "callee_joined_at": then, "answered_at": then}
    call = make.call(of, stage=Stage.IN_PROGRESS, **{**times, **fields})
    Call.unscoped.filter(pk=call.pk).update(created_at=then)
    return call


def timeline(call: Call) -> list[tuple[str, str]]:
    return list(call.events.order_by("at", "pk").values_list("type", "text"))


def test_agent_in_the_room_is_our_witness(ours: Workspace) -> None:
    call = make.call(ours)

    response = report(call, reported("agent_joined"))

    call.refresh_from_db()
    assert (response.status_code, response.json()) == (200, {"detail": "Received"})
    assert call.agent_joined_at is not None
    assert call.agent_seen_at is not None
    assert call.heard_at is not None
    assert timeline(call) == [("agent_joined", "The voice agent joined the room")]


def test_agent_is_seen_once_a_second_however_much_it_says(ours: Workspace) -> None:
    call = talking(ours)
    said = {
        "role": "agent",
        "text": "Hello",
        "started_at": timezone.now().isoformat(),
        "interrupted": False,
    }
    report(call, reported("agent_joined"))
    call.refresh_from_db()
    first = call.agent_seen_at

    report(call, reported("turn", **said))
    call.refresh_from_db()
    soon = call.agent_seen_at
    Call.unscoped.update(agent_seen_at=timezone.now() - timedelta(seconds=2))
    report(call, reported("turn", **said))
    call.refresh_from_db()

    assert first is not None
    assert soon == first
    assert call.agent_seen_at is not None
    assert call.agent_seen_at >= first


def test_agent_is_seen_no_later_than_its_own_clock_says(ours: Workspace) -> None:
    call = make.call(ours)
    then = timezone.now() - timedelta(seconds=90)

    report(call, {**reported("agent_alive"), "at": then.isoformat()})

    call.refresh_from_db()
    assert call.agent_seen_at is not None
    assert abs(call.agent_seen_at - then) < timedelta(milliseconds=10)


def test_late_sign_of_life_does_not_turn_the_witness_back(ours: Workspace) -> None:
    call = make.call(ours)
    report(call, reported("agent_alive"))
    call.refresh_from_db()
    seen = call.agent_seen_at

    report(call, {**reported("agent_alive"), "at": "2026-01-01T00:00:00Z"})

    call.refresh_from_db()
    assert call.agent_seen_at == seen


def test_sign_of_life_is_one_query_and_no_row(
    ours: Workspace, django_assert_num_queries: Any
) -> None:
    call = make.call(ours)

    with django_assert_num_queries(1):
        report(call, reported("agent_alive"))

    assert call.events.count() == 0


def test_whole_conversation_is_told_in_order(ours: Workspace) -> None:
    call = sent(ours)

    report(call, reported("callee_joined"))
    report(call, reported("callee_answered"))
    report(call, reported("detected", kind="human"))
    report(
        call,
        reported("turn", role="agent", text="Hello!", started_at="2026-11-23T10:00:00Z"),
        reported(
            "turn", role="user", text="Hi", started_at="2026-11-23T10:00:02Z", interrupted=True
        ),
        reported("tool_call", name="book", arguments={"day": "Tuesday"}, result="booked"),
        reported("usage", llm={"input_tokens": 33}),
        reported("callee_left", reason="callee_hangup"),
    )
    report(call, reported("ended", reason="callee_hangup"))

    call.refresh_from_db()
    assert (call.stage, call.outcome, call.end_reason) == (
        Stage.ENDED,
        Outcome.ANSWERED,
        "callee_hangup",
    )
    assert (call.hung_up_by, call.detected) == ("callee", "human")
    assert list(call.turns.order_by("started_at").values_list("role", "text", "interrupted")) == [
        ("agent", "Hello!", False),
        ("user", "Hi", True),
    ]
    assert {kind for kind, _ in timeline(call)} == {
        "dialing",
        "answered",
        "detected",
        "tool_call",
        "usage",
        "ended",
    }
    assert call.events.get(type="tool_call").data == {
        "name": "book",
        "arguments": {"day": "Tuesday"},
        "result": "booked",
    }


def test_repeats_change_nothing(ours: Workspace) -> None:
    call = sent(ours)
    events = [
        reported("agent_joined"),
        reported("callee_joined"),
        reported("callee_answered"),
        reported("turn", role="agent", text="Hello!", started_at="2026-11-23T10:00:00Z"),
        reported("detected", kind="machine"),
        reported("callee_left", reason="agent_hangup"),
        reported("ended", reason="agent_hangup"),
    ]
    report(call, *events)
    before = (timeline(call), Call.unscoped.filter(pk=call.pk).values().get())

    for _ in range(3):
        report(call, *events)
        report(call, *reversed(events))

    assert (timeline(call), Call.unscoped.filter(pk=call.pk).values().get()) == before
    assert call.turns.count() == 1


@pytest.mark.parametrize(
    ("reason", "by", "end_reason"),
    [
        ("callee_hangup", "callee", "callee_hangup"),
        ("agent_hangup", "agent", "agent_hangup"),
        ("max_duration", "agent", "max_duration"),
        ("room_deleted", None, "room_deleted"),
        ("client_initiated", None, "hung_up"),
    ],
)
def test_agent_knows_who_hung_up(
    ours: Workspace, reason: str, by: str | None, end_reason: str
) -> None:
    call = talking(ours)

    report(call, reported("ended", reason=reason))

    call.refresh_from_db()
    assert (call.stage, call.hung_up_by, call.end_reason) == (Stage.ENDED, by, end_reason)


def test_reason_that_is_too_long_is_cut_and_costs_no_other_event(ours: Workspace) -> None:
    call = talking(ours)
    said = {
        "role": "agent",
        "text": "Goodbye",
        "started_at": timezone.now().isoformat(),
        "interrupted": False,
    }

    response = report(
        call,
        reported("turn", **said),
        reported("callee_left", reason="worker_crashed_" * 50),
        reported("ended", reason="worker_crashed_" * 50),
    )

    call.refresh_from_db()
    assert response.status_code == 200
    assert (call.stage, call.end_reason) == (Stage.ENDED, ("worker_crashed_" * 50)[:64])
    assert [turn.text for turn in call.turns.all()] == ["Goodbye"]


def test_agent_tells_who_hung_up_after_the_webhook_ended_the_call(ours: Workspace) -> None:
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


def test_callee_leaving_unanswered_is_kept_as_evidence(ours: Workspace) -> None:
    call = sent(ours, stage=Stage.RINGING)

    report(call, reported("callee_left", reason="user_rejected"))

    call.refresh_from_db()
    assert (call.stage, call.outcome) == (Stage.RINGING, None)
    assert timeline(call) == [("callee_left", "The callee's line was closed (user rejected)")]


def test_ringing_is_told_by_a_sign_of_life(ours: Workspace) -> None:
    call = sent(ours)
    report(call, reported("callee_joined"))

    report(call, reported("agent_alive", callee_status="ringing"))
    report(call, reported("agent_alive", callee_status="ringing"))

    call.refresh_from_db()
    assert (call.stage, call.dialed_at is not None, call.ringing_at is not None) == (
        Stage.RINGING,
        True,
        True,
    )
    assert timeline(call)[1:] == [("ringing", f"{call.to_number} is ringing")]


def test_ringing_told_after_the_answer_takes_its_place_in_the_story(ours: Workspace) -> None:
    call = talking(ours, answered_at=timezone.now() - timedelta(seconds=2))
    call_states.add_event(
        call, type="answered", text="answered", at=call.answered_at or timezone.now()
    )

    report(call, reported("agent_alive", callee_status="ringing"))

    call.refresh_from_db()
    assert call.stage == Stage.IN_PROGRESS
    assert call.ringing_at is not None
    assert call.answered_at is not None
    assert call.ringing_at < call.answered_at
    assert [kind for kind, _ in timeline(call)] == ["ringing", "answered"]


def test_what_led_to_an_end_is_told_before_it(ours: Workspace) -> None:
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


def test_analysis_is_shown_once_it_is_reported(ours: Workspace, theirs: Workspace) -> None:
    call = talking(ours)
    path = f"/calls/{call.pk}/analysis"
    before = make.client(ours).get(path)
    found = reported("analysis", summary="They agreed.", fields={"mood": "good"})

    report(call, found)
    report(call, found)

    after = make.client(ours).get(path)
    assert (before.status_code, before.json()) == (404, {"detail": "Analysis not found"})
    assert after.status_code == 200
    assert after.json() == {
        "summary": "They agreed.",
        "fields": {"mood": "good"},
        "analyzed_at": found["at"],
    }
    assert timeline(call) == [("analysis", "The agent analysed the call")]
    assert make.client(theirs).get(path).json() == {"detail": "Call not found"}


def test_an_answer_that_overtakes_the_dial_tells_of_both(ours: Workspace) -> None:
    call = sent(ours)

    report(call, reported("callee_answered"))
    report(call, reported("callee_joined"))

    assert [kind for kind, _ in timeline(call)] == ["dialing", "answered"]


def test_the_agent_knows_when_it_ended_better_than_a_webhook_on_its_way(ours: Workspace) -> None:
    call = talking(ours)
    livekit.post(livekit.event("room_finished", call))
    then = (timezone.now() - timedelta(seconds=2)).isoformat()

    report(call, {**reported("ended", reason="agent_hangup"), "at": then})

    call.refresh_from_db()
    assert call.ended_at is not None
    assert call.ended_at.isoformat() == then
    assert (call.events.get(type="ended").at, call.hung_up_by) == (call.ended_at, "agent")


def test_lost_report_of_the_answer_is_made_good_by_what_follows(ours: Workspace) -> None:
    call = sent(ours, stage=Stage.UNKNOWN)

    report(call, reported("detected", kind="human"))

    call.refresh_from_db()
    assert (call.stage, call.detected) == (Stage.IN_PROGRESS, "human")


def test_answer_after_an_unanswered_end_raises_one_alarm(ours: Workspace) -> None:
    call = sent(ours, stage=Stage.ENDED, outcome=Outcome.BUSY, dialed_at=timezone.now())

    for _ in range(2):
        report(call, reported("callee_answered"))

    call.refresh_from_db()
    assert (call.stage, call.outcome) == (Stage.ENDED, Outcome.BUSY)
    assert timeline(call) == [
        ("alarm", "An answer was reported after the call had ended unanswered")
    ]


def test_clock_of_the_agent_cannot_move_a_call_before_its_dial_or_into_the_future(
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
def test_clock_of_the_agent_does_not_disturb_the_order_of_the_story(
    ours: Workspace, off: timedelta
) -> None:
    call = talking(ours)
    story = [
        reported("agent_joined"),
        reported("detected", kind="human"),
        reported("tool_call", name="look_up"),
        reported("ended", reason="agent_hangup"),
    ]
    by_its_clock = (timezone.now() + off).isoformat()

    for event in story:
        report(call, {**event, "at": by_its_clock})

    times = list(call.events.order_by("at", "pk").values_list("at", flat=True))
    call.refresh_from_db()
    assert call.created_at <= times[0] <= times[-1] <= timezone.now()
    assert timeline(call)[-1] == ("ended", "The agent hung up")


@pytest.mark.parametrize(
    ("most", "events"),
    [
        (4, [reported("callee_joined")]),
        (4, [reported("callee_answered")]),
        (4, [reported("detected", kind="human")]),
        (
            4,
            [reported("turn", role="user", text="a", started_at="2026-11-23T10:00:00Z")] * 5
            + [reported("usage")],
        ),
        (4, [reported("turn", role="user", text="a", started_at="2026-11-23T10:00:00Z")] * 5),
    ],
)
def test_report_of_several_events_costs_four_queries(
    ours: Workspace, django_assert_max_num_queries: Any, most: int, events: list[dict[str, Any]]
) -> None:
    call = talking(ours) if events[0]["type"] in ("turn", "detected") else sent(ours)

    with django_assert_max_num_queries(most):
        response = report(call, *events)

    assert response.status_code == 200


def test_report_of_nothing_is_received(ours: Workspace) -> None:
    call = sent(ours)

    response = report(call)

    assert (response.status_code, response.json()) == (200, {"detail": "Received"})
    assert timeline(call) == []


def test_token_of_another_call_is_401(ours: Workspace) -> None:
    call, other = make.call(ours), make.call(ours)

    response = report(
        call, reported("agent_joined"), Authorization=f"Bearer {report_tokens.mint(other.pk)}"
    )

    assert (response.status_code, response.json()) == (401, {"detail": "Invalid or missing token"})


@pytest.mark.parametrize(
    "path", ["/calls/nonsense/report", "/calls/01933b5e-0000-7000-8000-000000000000/report"]
)
def test_no_token_is_401_whatever_the_call(db: None, path: str) -> None:
    response = Client().post(path, data={}, content_type="application/json")

    assert response.status_code == 401


def test_call_that_is_gone_is_404(ours: Workspace) -> None:
    call = make.call(ours)
    Call.unscoped.filter(pk=call.pk).delete()

    answers = [report(call, reported(kind)) for kind in ("agent_alive", "agent_joined")]

    assert [(a.status_code, a.json()) for a in answers] == [(404, {"detail": "Call not found"})] * 2


def test_get_is_405_and_a_form_is_415(ours: Workspace) -> None:
    call = make.call(ours)
    headers = {"Authorization": f"Bearer {report_tokens.mint(call.pk)}"}

    got = Client().get(f"/calls/{call.pk}/report", headers=headers)
    posted = Client().post(f"/calls/{call.pk}/report", data={"a": 1}, headers=headers)

    assert (got.status_code, got.json()) == (405, {"detail": "Method not allowed"})
    assert (posted.status_code, posted.json()) == (415, {"detail": "Unsupported media type"})


def mistake(loc: list[Any], msg: str, kind: str) -> dict[str, Any]:
    return {"loc": ["body", *loc], "msg": msg, "type": kind}


@pytest.mark.parametrize(
    ("body", "mistakes"),
    [
        ([], [mistake([], "value is not a valid dict", "type_error.dict")]),
        ({}, [mistake(["events"], "field required", "value_error.missing")]),
        ({"events": {}}, [mistake(["events"], "value is not a valid list", "type_error.list")]),
        (
            {"events": [], "more": 1},
            [mistake(["more"], "extra fields not permitted", "value_error.extra")],
        ),
        (
            {
                "events": [
                    7,
                    {"type": "detected", "kind": "alien", "at": "soon", "id": ""},
                    {"type": "turn"},
                ]
            },
            [
                mistake(["events", 0], "value is not a valid dict", "type_error.dict"),
                mistake(
                    ["events", 1, "id"],
                    "ensure this value has at least 1 characters",
                    "value_error.any_str.min_length",
                ),
                mistake(["events", 1, "at"], "invalid datetime format", "value_error.datetime"),
                mistake(
                    ["events", 1, "kind"],
                    "value is not a valid enumeration member; permitted: 'human', 'machine', 'uncertain', 'screened'",
                    "type_error.enum",
                ),
                mistake(["events", 2, "id"], "field required", "value_error.missing"),
                mistake(["events", 2, "at"], "field required", "value_error.missing"),
                mistake(["events", 2, "role"], "field required", "value_error.missing"),
                mistake(["events", 2, "text"], "field required", "value_error.missing"),
                mistake(["events", 2, "started_at"], "field required", "value_error.missing"),
            ],
        ),
        (
            {"events": [{"type": "agent_alive", "id": None, "at": 5, "mood": "good"}]},
            [
                mistake(
                    ["events", 0, "id"],
                    "none is not an allowed value",
                    "type_error.none.not_allowed",
                ),
                mistake(["events", 0, "at"], "invalid datetime format", "value_error.datetime"),
                mistake(["events", 0, "mood"], "extra fields not permitted", "value_error.extra"),
            ],
        ),
    ],
)
def test_report_that_fails_its_schema_is_422(
    ours: Workspace, body: Any, mistakes: list[dict[str, Any]]
) -> None:
    call = make.call(ours)

    response = report(call, body=body)

    assert (response.status_code, response.json()) == (422, {"detail": mistakes})
