"""Why recipients are not called: in words, counted, with what to do next."""

from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Workspace
from accounts.roles import Role
from batches.models import Batch
from batches.reporting.reasons import EXPLANATIONS, explain, reasons_of
from telephony.domain.dial_verdicts import BY_REASON
from telephony.models import Outcome, Stage
from tests import make


def item(code: str, count: int) -> dict[str, Any]:
    text, next_step = EXPLANATIONS[code]
    return {"code": code, "text": text, "next_step": next_step, "count": count}


def test_the_reasons_of_a_batch_are_a_page_of_sentences_the_most_frequent_first(
    ours: Workspace,
) -> None:
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    for reason in ("duplicate", "suppressed", "suppressed", "suppressed"):
        make.recipient(batch, status="skipped", reason=reason, due_at=None)
    make.rejected_row(batch)
    make.rejected_row(batch, row_number=19)

    response = make.client(ours, Role.MEMBER).get(f"/batches/{batch.pk}/reasons?page_size=2")

    assert (response.status_code, response.json()) == (
        200,
        {
            "items": [item("suppressed", 3), item("invalid_number", 2)],
            "total": 3,
            "page": 1,
            "page_size": 2,
            "total_pages": 2,
        },
    )


@pytest.mark.parametrize("rows", [1, 3])
def test_reasons_take_as_many_queries_for_one_row_as_for_three(
    ours: Workspace, django_assert_num_queries: DjangoAssertNumQueries, rows: int
) -> None:
    batch = make.batch(ours)
    for reason in ("duplicate", "suppressed", "missing_variable")[:rows]:
        make.recipient(batch, status="skipped", reason=reason, due_at=None)
    client = make.client(ours)
    client.get("/batches")  # the key's first use is recorded

    with django_assert_num_queries(4):  # key, batch, recipients, rejected rows
        body = client.get(f"/batches/{batch.pk}/reasons").json()

    assert body["total"] == rows


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("validating", "list_being_read"),
        ("ready", "not_started"),
        ("scheduled", "scheduled"),
        ("running", "waiting"),
        ("paused", "batch_paused"),
    ],
)
def test_who_waits_for_a_first_call_has_the_reason_of_the_batch(
    ours: Workspace, status: str, code: str
) -> None:
    batch = make.batch(ours, status=status)
    make.recipient(batch)

    assert reasons_of(batch) == [item(code, 1)]


def test_recipients_with_a_result_or_a_planned_retry_are_no_part_of_it(ours: Workspace) -> None:
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    make.recipient(batch, status="completed", outcome="answered", attempts=1, due_at=None)
    make.recipient(batch, status="failed", reason="busy", outcome="busy", attempts=1, due_at=None)
    make.recipient(batch, status="retrying", reason="busy", attempts=1)
    make.recipient(batch, status="retrying", reason="min_gap", attempts=1)
    make.recipient(batch, status="pending", reason="window_closed")
    make.recipient(batch, status="cancelled", reason="batch_stopped", due_at=None)
    make.recipient(batch, status="review", reason="in_doubt", due_at=None)

    codes = [reason["code"] for reason in reasons_of(batch)]

    assert codes == ["batch_stopped", "in_doubt", "min_gap", "window_closed"]


def test_a_verdict_and_an_operators_own_reason_are_sentences_too() -> None:
    assert explain("carrier_error").text == "The carrier failed."
    assert explain("moved abroad") == ("moved abroad", "")
    assert all(explain(code).text for code in BY_REASON)


@pytest.mark.parametrize(("limit", "code"), [(1, "daily_limit_reached"), (2, "waiting")])
def test_a_used_up_daily_limit_is_the_reason_of_those_who_wait_for_it(
    ours: Workspace, limit: int, code: str
) -> None:
    ours.max_calls_per_day = limit
    ours.save()
    make.call(ours, dialed_at=timezone.now(), stage=Stage.ENDED, outcome=Outcome.ANSWERED)
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    make.recipient(batch)

    assert reasons_of(batch) == [item(code, 1)]
