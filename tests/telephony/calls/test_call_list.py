from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Workspace
from accounts.roles import Role
from telephony.models import Call, Outcome, Stage, Turn
from tests import make
from tests.telephony.calls.samples import NOON, ended
from voiceops.core.ids import uuid7


def listed(of: Workspace, query: str) -> list[str]:
    response = make.client(of, Role.MEMBER).get(f"/calls?{query}")
    assert response.status_code == 200, response.json()
    return [item["id"] for item in response.json()["items"]]


def test_call_has_the_documented_fields(ours: Workspace) -> None:
    call = ended(
        ours,
        end_reason="callee_hangup",
        hung_up_by="callee",
        sip_status_code=200,
        sip_status="OK",
        variables={"name": "Ada"},
        metadata={"crm": 7},
        has_recording=True,
        usage=[{"kind": "llm", "provider": "x", "model": "y", "input_tokens": 9, "cost": None}],
        cost_micros=12_500,
        latency={"answer_to_audio": 0.6, "p50": 0.9, "p95": 1.4},
    )
    client = make.client(ours, Role.MEMBER)

    one, page = client.get(f"/calls/{call.pk}").json(), client.get("/calls").json()

    call.refresh_from_db()
    assert one == {
        "id": str(call.pk),
        "direction": "outbound",
        "from": "+12025550100",
        "to": "+12025550186",
        "agent_id": str(call.agent_id),
        "agent_version": 1,
        "batch_id": None,
        "recipient_id": None,
        "attempt": 1,
        "status": "ended",
        "outcome": "answered",
        "end_reason": "callee_hangup",
        "hung_up_by": "callee",
        "sip_status_code": 200,
        "sip_status": "OK",
        "variables": {"name": "Ada"},
        "metadata": {"crm": 7},
        "disposition": None,
        "disposition_by": None,
        "usage": [{"kind": "llm", "provider": "x", "model": "y", "input_tokens": 9, "cost": None}],
        "cost": {"amount": 0.0125, "currency": "USD"},
        "latency": {"answer_to_audio": 0.6, "p50": 0.9, "p95": 1.4},
        "has_recording": True,
        "created_at": call.created_at.isoformat().replace("+00:00", "Z"),
        "dialed_at": "2026-11-23T12:00:00Z",
        "ringing_at": "2026-11-23T12:00:01Z",
        "answered_at": "2026-11-23T12:00:08Z",
        "ended_at": "2026-11-23T12:00:49.200000Z",
        "duration_seconds": 41.2,
    }
    assert page == {"items": [one], "total": 1, "page": 1, "page_size": 50, "total_pages": 1}


@pytest.mark.parametrize(
    ("stage", "status"),
    [
        (Stage.RESERVED, "queued"),
        (Stage.INTENT, "dialing"),
        (Stage.UNKNOWN, "dialing"),
        (Stage.DIALING, "dialing"),
        (Stage.RINGING, "ringing"),
        (Stage.IN_PROGRESS, "in_progress"),
        (Stage.ENDED, "ended"),
    ],
)
def test_stages_map_to_the_documented_statuses(ours: Workspace, stage: Stage, status: str) -> None:
    call = make.call(ours, stage=stage)

    public_status = make.client(ours).get(f"/calls/{call.pk}").json()["status"]

    assert public_status == status
    assert listed(ours, f"status={status}") == [str(call.pk)]
    assert listed(ours, f"status={'queued' if status != 'queued' else 'ended'}") == []


def test_unsent_attempt_of_a_batch_is_not_listed(ours: Workspace) -> None:
    batch = make.batch(ours)
    unsent = make.call(ours, batch_id=batch.pk, recipient_id=uuid7())
    sent = make.call(ours, batch_id=batch.pk, recipient_id=uuid7(), dialed_at=NOON)
    client = make.client(ours)

    one = client.get(f"/calls/{unsent.pk}")

    assert (one.status_code, one.json()) == (404, {"detail": "Call not found"})
    assert listed(ours, f"batch_id={batch.pk}") == [str(sent.pk)]


@pytest.mark.parametrize("rows", [1, 3])
def test_list_costs_the_same_queries_for_any_number_of_calls(
    ours: Workspace, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        ended(ours)
    client = make.client(ours)
    client.get("/calls")  # the key's last use is stored once a minute

    with django_assert_num_queries(2):  # key, page with its total
        response = client.get("/calls?page_size=2")

    assert response.json()["total"] == rows
    assert len(response.json()["items"]) == min(rows, 2)


def filters(of: Workspace) -> dict[str, Call]:
    """Create a call for each filter, and map the filter's query to it."""
    agent, batch = make.agent(of), make.batch(of)
    long = {"answered_at": NOON, "ended_at": NOON + timedelta(seconds=90)}
    found = {
        "outcome=busy": ended(of, outcome=Outcome.BUSY),
        "direction=inbound": ended(of, direction="inbound"),
        f"agent_id={agent.pk}": ended(of, agent=agent),
        f"batch_id={batch.pk}": ended(of, batch_id=batch.pk, recipient_id=uuid7()),
        "from=%2B12025550111": ended(of, from_number="+12025550111"),
        "to=+1 (202) 555-0112": ended(of, to_number="+12025550112"),
        "min_duration=60.5": ended(of, **long),
        "search=555-0113": ended(of, to_number="+1202555-0113"),
        "search=TUESDAY": ended(of),
    }
    spoken = found["search=TUESDAY"]
    Turn.unscoped.create(
        workspace=of,
        call=spoken,
        role="user",
        text="On tuesday, please",
        started_at=NOON,
        external_id="1",
    )
    return found


def test_every_filter_finds_exactly_its_call(ours: Workspace, theirs: Workspace) -> None:
    expected = {query: [str(call.pk)] for query, call in filters(ours).items()}
    filters(theirs)

    found = {query: listed(ours, query) for query in expected}

    assert found == expected


def test_calls_are_filtered_by_start_time(ours: Workspace) -> None:
    early, late = ended(ours), ended(ours)
    moment = NOON - timedelta(days=1)
    Call.unscoped.filter(pk=late.pk).update(created_at=late.created_at + timedelta(seconds=1))
    between = (late.created_at + timedelta(milliseconds=500)).isoformat().replace("+00:00", "Z")

    after, before = (
        listed(ours, f"started_after={between}"),
        listed(ours, f"started_before={between}"),
    )

    assert (after, before) == ([str(late.pk)], [str(early.pk)])
    assert listed(ours, f"started_before={moment:%Y-%m-%dT%H:%M:%SZ}") == []
    assert len(listed(ours, f"started_after={moment:%Y-%m-%dT%H:%M:%SZ}")) == 2


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("started_after=0001-01-01", 1),
        ("started_after=9999-12-31T23:59:59Z", 0),
        ("started_before=0001-01-01", 0),
        ("started_before=1969-12-31", 0),
        ("started_before=9999-12-31T23:59:59Z", 1),
    ],
)
def test_first_and_last_dates_of_the_calendar_are_accepted(
    ours: Workspace, query: str, found: int
) -> None:
    ended(ours)

    assert len(listed(ours, query)) == found


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "ended_at", "-ended_at"])
def test_calls_are_sorted_as_requested(ours: Workspace, sort: str) -> None:
    first = ended(ours)
    second = ended(ours, ended_at=NOON + timedelta(minutes=5))

    found = listed(ours, f"sort={sort}")

    expected = [str(first.pk), str(second.pk)]
    assert found == (expected[::-1] if sort.startswith("-") else expected)


def test_all_errors_of_a_query_are_reported_together(ours: Workspace) -> None:
    query = "status=gone&agent_id=x&started_after=soon&min_duration=-1&sort=colour&page=0"

    response = make.client(ours).get(f"/calls?{query}")

    errors = {tuple(error["loc"]): error["type"] for error in response.json()["detail"]}
    assert response.status_code == 422
    assert errors == {
        ("query", "page"): "value_error.number.not_ge",
        ("query", "status"): "type_error.enum",
        ("query", "agent_id"): "type_error.uuid",
        ("query", "started_after"): "value_error.datetime",
        ("query", "min_duration"): "value_error.number.not_ge",
        ("query", "sort"): "type_error.enum",
    }


def test_total_may_be_counted_up_to_a_limit(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.api.viewsets.MAX_COUNTED_ROWS", 2)
    for _ in range(4):
        ended(ours)
    client = make.client(ours, Role.MEMBER)

    totals = {
        query: client.get(f"/calls?page_size=1&{query}").json()["total"]
        for query in ("total=capped", "total=capped&page=4", "total=exact", "outcome=busy")
    }
    refused = client.get("/calls?total=some")

    assert totals == {
        "total=capped": 3, "total=capped&page=4": 3, "total=exact": 4, "outcome=busy": 0
    }  # fmt: skip
    assert refused.status_code == 422
