"""The lists that a number stands in, and when it is called next by which rule."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Workspace
from accounts.roles import Role
from batches.models import Batch, Recipient
from batches.reporting.next_calls import NextCall, next_calls
from tests import make

NUMBER = "+12025550123"
# A Monday, 10:00 in Washington.
NOW = datetime(2027, 3, 1, 15, 0, tzinfo=UTC)
MORNINGS = {"days": [1, 2, 3, 4, 5], "start": "09:00", "end": "12:00", "timezone": "recipient"}


def listed(of: Workspace, **batch: Any) -> Recipient:
    fields = {"status": Batch.Status.RUNNING, **batch}
    return make.recipient(make.batch(of, **fields), phone_number=NUMBER)


def next_call(recipient: Recipient, now: datetime = NOW) -> NextCall | None:
    row = Recipient.unscoped.select_related("batch__workspace").get(pk=recipient.pk)
    return next_calls(row.workspace, [row], now)[0]


def test_lists_of_a_number_come_with_their_next_call(ours: Workspace) -> None:
    recipient = listed(ours, status=Batch.Status.PAUSED)
    make.recipient(recipient.batch, phone_number="+12025550199")
    listed(make.workspace())

    body = make.client(ours, Role.MEMBER).get("/recipients?phone_number=%2B1 202 555 0123").json()

    assert body == {
        "items": [
            {
                "id": str(recipient.pk),
                "batch_id": str(recipient.batch_id),
                "batch_name": recipient.batch.name,
                "batch_status": "paused",
                "row_number": recipient.row_number,
                "phone_number": NUMBER,
                "variables": recipient.variables_in(recipient.batch),
                "status": "pending",
                "reason": None,
                "attempts": 0,
                "outcome": None,
                "next_call": {
                    "at": None,
                    "code": "batch_paused",
                    "text": "The batch is paused.",
                    "next_step": "Resume the batch.",
                },
            }
        ],
        "total": 1,
        "page": 1,
        "page_size": 50,
        "total_pages": 1,
    }


@pytest.mark.parametrize(
    ("spelling", "total"),
    [("+12025550123", 1), ("+1%20(202)%20555-0123", 1), ("12025550123", None)],
)
def test_a_plus_sign_need_not_be_encoded(ours: Workspace, spelling: str, total: int | None) -> None:
    listed(ours)

    body = make.client(ours).get(f"/recipients?phone_number={spelling}").json()

    assert body.get("total") == total


def test_lists_need_a_number(ours: Workspace) -> None:
    missing = make.client(ours, Role.MEMBER).get("/recipients")
    wrong = make.client(ours, Role.MEMBER).get("/recipients?phone_number=12")

    assert (missing.status_code, wrong.status_code) == (422, 400)


@pytest.mark.parametrize("rows", [1, 3])
def test_lists_of_a_number_need_the_same_queries_however_many(
    rows: int, ours: Workspace, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        listed(ours)
    client = make.client(ours, Role.MEMBER)
    client.get("/recipients", {"phone_number": NUMBER})

    # PostgreSQL's clock is asked once, SQLite's is the process's.
    with django_assert_num_queries(7 if connection.vendor == "postgresql" else 6):
        assert client.get("/recipients", {"phone_number": NUMBER}).json()["total"] == rows


@pytest.mark.parametrize(
    ("fields", "of_batch", "expected"),
    [
        ({}, {}, NextCall(NOW, "waiting")),
        ({}, {"calling_window": MORNINGS}, NextCall(NOW, "waiting")),
        ({"status": "completed", "due_at": None}, {}, None),
        ({"status": "in_call", "due_at": None}, {}, None),
        (
            {"status": "skipped", "due_at": None, "reason": "duplicate"},
            {},
            NextCall(None, "duplicate"),
        ),
        ({}, {"status": "ready"}, NextCall(None, "not_started")),
        (
            {"due_at": NOW + timedelta(minutes=30), "status": "retrying", "reason": "busy"},
            {},
            NextCall(NOW + timedelta(minutes=30), "retry"),
        ),
        (
            {"due_at": NOW + timedelta(minutes=5), "reason": "min_gap"},
            {},
            NextCall(NOW + timedelta(minutes=5), "min_gap"),
        ),
        # The retry falls into the afternoon, when the window is closed until the next morning.
        (
            {"due_at": NOW + timedelta(hours=3), "status": "retrying"},
            {"calling_window": MORNINGS},
            NextCall(NOW + timedelta(hours=23), "window_closed"),
        ),
        (
            {},
            {"status": "scheduled", "scheduled_at": NOW + timedelta(days=5)},
            NextCall(NOW + timedelta(days=5), "scheduled"),
        ),
    ],
)
def test_the_rule_that_decides_is_named(
    fields: dict[str, Any], of_batch: dict[str, Any], expected: NextCall | None, ours: Workspace
) -> None:
    recipient = listed(ours, **of_batch)
    Recipient.unscoped.filter(pk=recipient.pk).update(**{"due_at": NOW, **fields})

    assert next_call(recipient) == expected


def test_a_suppressed_number_and_a_spent_day_are_named(ours: Workspace) -> None:
    until = NOW + timedelta(hours=9)
    Workspace.unscoped.filter(pk=ours.pk).update(budget_spent_until=until)
    recipient = listed(ours)
    Recipient.unscoped.filter(pk=recipient.pk).update(due_at=NOW)

    spent = next_call(recipient)
    make.suppression(ours, phone_number=NUMBER)
    suppressed = next_call(recipient)

    assert spent == NextCall(until, "daily_budget_spent")
    assert suppressed == NextCall(None, "suppressed")


def test_limits_of_a_number_are_foreseen(ours: Workspace) -> None:
    now = timezone.now()
    recipient = listed(ours, max_attempts_per_day=1)
    Recipient.unscoped.filter(pk=recipient.pk).update(due_at=now)
    called = now - timedelta(hours=1)
    make.call(ours, to_number=NUMBER, stage="ended", outcome="busy", counts=True, intent_at=called)

    capped = next_call(recipient, now)
    Batch.unscoped.filter(pk=recipient.batch_id).update(max_attempts_per_day=None)
    Workspace.unscoped.filter(pk=ours.pk).update(min_gap_minutes=180, min_gap_is_default=False)
    held = next_call(recipient, now)

    assert capped == NextCall(None, "daily_cap")
    assert held == NextCall(called + timedelta(hours=3), "min_gap")
