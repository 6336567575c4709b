"""A call ends the same way however its webhooks arrive: ten times, reversed, late, or not at all.

The agent's reports come in order, as one agent sends them, but any of them may be repeated; the
answer to our dial request comes anywhere between them.
"""

from dataclasses import dataclass
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as checks
from hypothesis import strategies as st

from accounts.models import Workspace
from telephony.clients.livekit.dial import Answered, Lost
from telephony.dialing import polling, reconciliation
from telephony.dialing.jobs import Job
from telephony.dialing.responses import DialResponse, record_responses
from telephony.domain.dial_verdicts import DialRefusal
from telephony.models import Call, Stage
from telephony.serializers.reports import read_report
from telephony.services.agent_reports import apply_report
from telephony.services.inbox import apply_pending_events, receive_event
from tests import make
from tests.telephony.calls import livekit
from tests.telephony.calls.livekit import reported
from voiceops.core.clock import database_now

JOINED: tuple[str, dict[str, str]] = ("participant_joined", {})
GONE: tuple[str, dict[str, str]] = ("room_finished", {})
SPOKE = reported("turn", role="user", text="Hello?", started_at="2026-11-23T10:00:00Z")
PICKED_UP = [reported("agent_joined"), reported("callee_joined"), reported("callee_answered")]


@pytest.fixture(autouse=True)
def real_time(settings: Any) -> None:
    """Limits last as long as at LiveKit; the sandbox plays them faster."""
    settings.USES_SANDBOX = False


def left(reason: str) -> tuple[str, dict[str, str]]:
    return ("participant_left", {"disconnectReason": reason})


@dataclass(frozen=True)
class Story:
    """What happened on a call, as each of the three sources reports it, and how it must end."""

    answer: Any
    webhooks: list[tuple[str, dict[str, str]]]
    reports: list[dict[str, Any]]
    ends: tuple[str, str, str | None]


STORIES = {
    "callee hangs up": Story(
        Answered("SCL_1"),
        [JOINED, left("CLIENT_INITIATED"), GONE],
        [
            *PICKED_UP,
            reported("detected", kind="human"),
            SPOKE,
            reported("callee_left", reason="callee_hangup"),
        ],
        ("answered", "callee_hangup", "callee"),
    ),
    "machine, agent hangs up": Story(
        Answered("SCL_1"),
        [JOINED, left("ROOM_DELETED"), GONE],
        [
            *PICKED_UP,
            reported("detected", kind="machine"),
            SPOKE,
            reported("ended", reason="agent_hangup"),
        ],
        ("voicemail", "agent_hangup", "agent"),
    ),
    "answer of the dial lost": Story(
        Lost("the server died"),
        [JOINED, left("CLIENT_INITIATED"), GONE],
        [
            *PICKED_UP,
            reported("callee_left", reason="max_duration"),
            reported("ended", reason="max_duration"),
        ],
        ("answered", "max_duration", "agent"),
    ),
    "SIP service dies while it rings": Story(
        Lost("the server died"),
        [
            JOINED,
            ("participant_left", {"disconnectReason": "CONNECTION_TIMEOUT", "status": "ringing"}),
        ],
        [
            reported("agent_joined"),
            reported("callee_joined"),
            reported("agent_alive", callee_status="ringing"),
            reported("callee_left", reason="connection_timeout"),
        ],
        ("unknown", "in_doubt", None),
    ),
    "busy": Story(
        DialRefusal(
            code="resource_exhausted",
            status=429,
            message="busy",
            sip_code=486,
            sip_phrase="Busy Here",
        ),
        [JOINED, left("USER_REJECTED"), GONE],
        [
            reported("agent_joined"),
            reported("callee_joined"),
            reported("callee_left", reason="user_rejected"),
        ],
        ("busy", "busy", None),
    ),
}

# Stories whose answer is known from a departure alone, so that no webhook of theirs may be lost.
ANSWERED_STORIES = {
    "server dies while it rings": Story(
        Lost("the server died"),
        [
            JOINED,
            ("participant_left", {"disconnectReason": "CLIENT_INITIATED", "status": "hangup"}),
        ],
        [
            reported("agent_joined"),
            reported("callee_joined"),
            reported("agent_alive", callee_status="ringing"),
            reported("callee_left", reason=""),
        ],
        ("answered", "hung_up", None),
    ),
    "ringing times out as the callee answers": Story(
        DialRefusal(code="canceled", status=408, message="sip request timed out"),
        [
            JOINED,
            ("participant_left", {"disconnectReason": "USER_UNAVAILABLE", "status": "active"}),
        ],
        [*PICKED_UP, reported("callee_left", reason="user_unavailable")],
        ("answered", "user_unavailable", None),
    ),
}


def dialled(of: Workspace) -> Call:
    now = timezone.now()
    then, later = now - timedelta(minutes=10), now + timedelta(minutes=10)
    return make.call(of, stage=Stage.INTENT, intent_at=then, not_after=then, lease_expires_at=later)


def deliver(call: Call, webhook: tuple[str, dict[str, str]], *, late: bool) -> None:
    name, fields = webhook
    shown = {name: value for name, value in fields.items() if name != "status"}
    attributes = {"sip.callStatus": fields["status"]} if "status" in fields else {}
    leg = livekit.callee(call, attributes=attributes, **shown)
    participant = {} if name == "room_finished" else {"participant": leg}
    body = livekit.event(name, call, **participant)
    created = int(body["createdAt"]) - (240 if late else 0)
    receive_event({**body, "id": f"EV_{name}_{call.pk.hex}", "createdAt": str(created)})


def answer(call: Call, story: Story) -> None:
    now = database_now()
    job = Job(call=call, trunk_id="ST_1", config={})
    response = DialResponse(job=job, sent_at=now, received_at=now, result=story.answer)
    record_responses([response])


def reconcile_until_quiet(call: Call) -> None:
    """Do what the sweep does once the room is gone and no answer is awaited."""
    apply_pending_events()
    Call.unscoped.filter(pk=call.pk).update(lease_expires_at=None)
    Call.unscoped.filter(pk=call.pk).update(heard_at=timezone.now() - timedelta(minutes=1))
    call.refresh_from_db()
    if call.stage == Stage.IN_PROGRESS:
        polling.record_presence(call, [])
    elif call.stage != Stage.ENDED:
        reconciliation.conclude_doubt(call, database_now(), [])
    call.refresh_from_db()


@st.composite
def deliveries(draw: st.DrawFn, story: Story) -> list[tuple[str, Any]]:
    """Draw the steps of a story.

    Reports come in order, some of them repeated; the dial's answer and any number of webhooks come
    anywhere between them.
    """
    steps: list[tuple[str, Any]] = []
    for number, event in enumerate(story.reports):
        steps += [("report", event)]
        steps += [("report", story.reports[draw(st.integers(0, number))])] * draw(st.integers(0, 1))
    steps.insert(draw(st.integers(0, len(steps))), ("answer", None))
    copies = st.lists(st.tuples(st.sampled_from(story.webhooks), st.booleans()), max_size=10)
    for webhook in draw(copies):
        steps.insert(draw(st.integers(0, len(steps))), ("webhook", webhook))
    return steps


def play(call: Call, story: Story, steps: list[tuple[str, Any]]) -> None:
    for kind, what in steps:
        if kind == "answer":
            answer(Call.unscoped.get(pk=call.pk), story)
        elif kind == "report":
            event = {**what, "id": f"{what['id']}-{call.pk.hex}"}
            apply_report(call_id=call.pk, events=read_report({"events": [event]}))
        else:
            webhook, late = what
            deliver(call, webhook, late=late)
    reconcile_until_quiet(call)


def in_order(story: Story) -> list[tuple[str, Any]]:
    joined, *rest = story.webhooks
    reports = [("report", event) for event in story.reports]
    return [
        ("webhook", (joined, False)),
        *reports,
        ("answer", None),
        *(("webhook", (w, False)) for w in rest),
    ]


@pytest.mark.parametrize("name", STORIES)
def test_story_reported_in_order_ends_as_it_happened(ours: Workspace, name: str) -> None:
    call = dialled(ours)

    play(call, STORIES[name], in_order(STORIES[name]))

    assert (call.stage, (call.outcome, call.end_reason, call.hung_up_by)) == (
        "ended",
        STORIES[name].ends,
    )


@pytest.mark.parametrize("name", STORIES)
@given(data=st.data())
@checks(
    max_examples=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_story_reported_in_any_order_ends_the_same(
    ours: Workspace, name: str, data: st.DataObject
) -> None:
    story, call = STORIES[name], dialled(ours)

    play(call, story, data.draw(deliveries(story)))

    assert (call.stage, (call.outcome, call.end_reason, call.hung_up_by)) == ("ended", story.ends)
    assert call.events.filter(type="alarm").count() == 0
    assert call.events.filter(type="ended").count() == 1
    assert call.turns.count() == sum(event["type"] == "turn" for event in story.reports)


def orders(story: Story) -> list[tuple[tuple[str, Any], ...]]:
    """Return every order in which the story's webhooks and answer can fall between its reports."""
    others = [("answer", None), *(("webhook", (webhook, False)) for webhook in story.webhooks)]
    steps = [*others, ("report", None)]
    return list(permutations(steps))


@pytest.mark.parametrize("name", ANSWERED_STORIES)
def test_callee_who_answered_is_answered_in_every_order(ours: Workspace, name: str) -> None:
    story = ANSWERED_STORIES[name]
    for order in orders(story):
        call = dialled(ours)
        steps: list[tuple[str, Any]] = []
        for step in order:
            reports = [("report", event) for event in story.reports]
            steps += reports if step[0] == "report" else [step]

        play(call, story, steps)

        assert (call.stage, call.outcome, call.counts) == ("ended", "answered", True)
        ends = call.events.filter(type="ended")
        assert [event.data["outcome"] for event in ends] == ["answered"]


@given(
    webhooks=st.permutations(STORIES["callee hangs up"].webhooks),
    place=st.integers(0, 3),
    most=st.integers(0, 3),
)
@checks(
    max_examples=30,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_call_of_an_agent_that_never_reports_ends_as_answered(
    ours: Workspace, webhooks: list[Any], place: int, most: int
) -> None:
    story, call = STORIES["callee hangs up"], dialled(ours)
    steps: list[tuple[str, Any]] = [("webhook", (webhook, False)) for webhook in webhooks[:most]]
    steps.insert(place, ("answer", None))

    play(call, story, steps)

    assert (call.stage, call.outcome) == ("ended", "answered")
    assert call.events.filter(type="alarm").count() == 0
