import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from accounts.models import Workspace
from telephony.models import Call
from tests import make

NOW = "2026-11-23T12:00:00Z"
INSTANT = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOTHING: dict[str, Any] = {
    "calls": 0,
    "ended": 0,
    "answered": 0,
    "answer_rate": None,
    "outcomes": {},
    "talk_seconds": 0.0,
    "average_talk_seconds": None,
}


def call(
    of: Workspace,
    *,
    ago: timedelta,
    outcome: str | None = "answered",
    talk: float = 0,
    **fields: Any,
) -> Call:
    """Create a call of that long ago, with an id of that time. `talk` in seconds, 0 unanswered."""
    at = INSTANT - ago
    times = {"answered_at": at, "ended_at": at + timedelta(seconds=talk)} if talk else {}
    stage = "ended" if outcome else "ringing"
    return make.call_at(of, at, outcome=outcome, stage=stage, dialed_at=at, **times, **fields)


def summary(of: Workspace, **query: str) -> dict[str, Any]:
    with time_machine.travel(NOW, tick=False):
        body: dict[str, Any] = make.client(of).get("/analytics/summary", query).json()
    return body


def figures(calls: int, answered: int, talk: float, /, **outcomes: int) -> dict[str, Any]:
    return {
        "calls": calls,
        "ended": sum(outcomes.values()),
        "answered": answered,
        "answer_rate": round(answered / sum(outcomes.values()), 4),
        "outcomes": outcomes,
        "talk_seconds": talk,
        "average_talk_seconds": round(talk / answered, 3) if answered else None,
    }


def test_summary_without_calls_is_empty(ours: Workspace, theirs: Workspace) -> None:
    call(theirs, ago=timedelta(hours=1), talk=5)

    body = summary(ours)

    assert body == {
        "from": "2026-10-24T12:00:00Z",
        "to": NOW,
        "group_by": "day",
        "totals": NOTHING,
        "groups": [],
    }


def test_calls_are_counted_by_day(ours: Workspace) -> None:
    call(ours, ago=timedelta(hours=1), talk=30)
    call(ours, ago=timedelta(hours=2), talk=11)
    call(ours, ago=timedelta(hours=3), outcome="busy")
    call(ours, ago=timedelta(hours=3), outcome=None)
    call(ours, ago=timedelta(hours=30), outcome="no_answer")
    call(ours, ago=timedelta(days=40), talk=99)

    body = summary(ours)

    assert body["totals"] == figures(5, 2, 41.0, answered=2, busy=1, no_answer=1)
    assert body["groups"] == [
        {"key": "2026-11-22", "name": None, **figures(1, 0, 0.0, no_answer=1)},
        {"key": "2026-11-23", "name": None, **figures(4, 2, 41.0, answered=2, busy=1)},
    ]


def test_calls_are_counted_by_agent_and_batch_with_their_names(ours: Workspace) -> None:
    ada, bob = make.agent(ours, name="Ada"), make.agent(ours, name="Bob")
    batch = make.batch(ours, agent=ada, name="Reminders")
    call(ours, ago=timedelta(hours=1), talk=8, agent=ada, batch_id=batch.pk)
    call(ours, ago=timedelta(hours=1), talk=2, agent=ada)
    call(ours, ago=timedelta(hours=1), outcome="busy", agent=bob)

    by_agent, by_batch = summary(ours, group_by="agent"), summary(ours, group_by="batch")

    assert by_agent["groups"] == [
        {"key": str(ada.pk), "name": "Ada", **figures(2, 2, 10.0, answered=2)},
        {"key": str(bob.pk), "name": "Bob", **figures(1, 0, 0.0, busy=1)},
    ]
    assert by_batch["groups"] == [
        {"key": None, "name": None, **figures(2, 1, 2.0, answered=1, busy=1)},
        {"key": str(batch.pk), "name": "Reminders", **figures(1, 1, 8.0, answered=1)},
    ]


def test_agent_versions_have_their_cost_and_latency(ours: Workspace) -> None:
    agent = make.agent(ours, name="Ada")
    silent = make.agent(ours, name="Bob")
    for n in range(1, 5):
        latency = {"answer_to_audio": n / 10, "p50": 0.5 + n / 20, "p95": n if n > 1 else None}
        call(ours, ago=timedelta(hours=n), talk=1, agent=agent, latency=latency, cost_micros=n * 10)
    call(ours, ago=timedelta(hours=1), outcome="busy", agent=silent)

    groups = summary(ours, group_by="agent_version")["groups"]

    assert groups == [
        {
            "key": str(agent.versions.get().pk),
            "name": "Ada, version 1",
            **figures(4, 4, 4.0, answered=4),
            "cost": {"amount": 0.0001, "currency": "USD"},
            "latency": {"answer_to_audio": 0.2, "p50": 0.6, "p95": 4.0},
        },
        {
            "key": str(silent.versions.get().pk),
            "name": "Bob, version 1",
            **figures(1, 0, 0.0, busy=1),
            "cost": None,
            "latency": None,
        },
    ]


@pytest.mark.parametrize(
    ("group_by", "keys"),
    [
        ("hour", ["2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"]),
        ("number", ["+12025550100", "+442071838750"]),
        ("outcome", ["answered", "busy"]),
        ("sip_status", [200, 486]),
    ],
)
def test_calls_are_counted_by_each_criterion(
    ours: Workspace, group_by: str, keys: list[Any]
) -> None:
    call(ours, ago=timedelta(minutes=30), talk=1, sip_status_code=200)
    call(
        ours,
        ago=timedelta(minutes=90),
        outcome="busy",
        sip_status_code=486,
        from_number="+442071838750",
    )
    call(
        ours,
        ago=timedelta(minutes=90),
        outcome="busy",
        sip_status_code=486,
        from_number="+442071838750",
    )
    inbound = {"direction": "inbound", "from_number": "+442071838751", "to_number": "+12025550100"}
    call(ours, ago=timedelta(minutes=70), talk=3, sip_status_code=200, **inbound)

    body = summary(ours, group_by=group_by)

    assert [group["key"] for group in body["groups"]] == keys


def test_attempt_that_was_never_sent_is_not_a_call(ours: Workspace) -> None:
    made = call(ours, ago=timedelta(hours=1), outcome="throttled", batch_id=uuid.uuid4())
    Call.unscoped.filter(pk=made.pk).update(dialed_at=None)

    assert summary(ours)["totals"] == NOTHING


def test_span_includes_from_and_excludes_to(ours: Workspace) -> None:
    for hours in (1, 2, 3):
        call(ours, ago=timedelta(hours=hours), outcome="busy")

    body = summary(ours, **{"from": "2026-11-23T09:00:00Z", "to": "2026-11-23T11:00:00Z"})

    assert (body["from"], body["to"], body["totals"]["calls"]) == (
        "2026-11-23T09:00:00Z",
        "2026-11-23T11:00:00Z",
        2,
    )


@pytest.mark.parametrize("to", ["0001-01-01T00:00:00-23:59", "0001-06-01", "9999-12-31T23:59:59Z"])
def test_span_at_the_end_of_the_calendar_is_empty(ours: Workspace, to: str) -> None:
    call(ours, ago=timedelta(hours=1), outcome="busy")

    assert summary(ours, to=to)["totals"]["calls"] == 0


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ({"from": "2026-11-23", "to": "2026-11-23"}, 400, "from must be earlier than to"),
        ({"to": "0001-01-01"}, 400, "from must be earlier than to"),
        ({"from": "9999-12-31T23:59:59Z"}, 400, "from must be earlier than to"),
        (
            {"to": "9999-12-31T23:59:59Z", "from": "0001-01-01"},
            400,
            "Ask for at most 3,660 days by day",
        ),
        ({"from": "2026-01-01", "group_by": "hour"}, 400, "Ask for at most 62 days by hour"),
        (
            {"from": "yesterday"},
            422,
            [
                {
                    "loc": ["query", "from"],
                    "msg": "invalid datetime format",
                    "type": "value_error.datetime",
                }
            ],
        ),
        (
            {"group_by": "mood"},
            422,
            [
                {
                    "loc": ["query", "group_by"],
                    "msg": "value is not a valid enumeration member; permitted: 'hour', 'day', "
                    "'agent', 'agent_version', 'batch', 'number', 'outcome', 'sip_status'",
                    "type": "type_error.enum",
                }
            ],
        ),
    ],
)
def test_invalid_span_is_refused(
    ours: Workspace, query: dict[str, str], status: int, detail: Any
) -> None:
    with time_machine.travel(NOW, tick=False):
        response = make.client(ours).get("/analytics/summary", query)

    assert (response.status_code, response.json()) == (status, {"detail": detail})


@pytest.mark.parametrize("rows", [1, 3])
def test_query_count_of_summary_is_constant(
    ours: Workspace, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        call(ours, ago=timedelta(hours=1), talk=1, agent=make.agent(ours))
    client = make.client(ours)

    with time_machine.travel(NOW, tick=False):
        client.get("/analytics/summary")
        with django_assert_num_queries(5):  # key, counted hours, how many calls, calls, names
            body = client.get("/analytics/summary?group_by=agent").json()

    assert len(body["groups"]) == rows
