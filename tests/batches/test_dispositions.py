"""Dispositions with consequences: what becomes of the recipient, the batch and the number."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from batches.dialing.settlement import settle_calls
from batches.models import Batch, Recipient
from batches.services.dispositions import apply_dispositions
from telephony.models import Call
from telephony.services.dispositions import set_disposition
from tests import make
from tests.batches.dialing.ended_calls import answered_call, ended_call

WORDS = [
    {"name": "done", "consequence": {"type": "finish"}},
    {"name": "later", "consequence": {"type": "retry", "delay_minutes": 90}},
    {"name": "ask", "consequence": {"type": "review"}},
    {"name": "never", "consequence": {"type": "suppress"}},
    {"name": "rest", "consequence": {"type": "rest", "days": 60}},
]


@pytest.fixture
def batch(ours: Workspace) -> Batch:
    agent = make.agent(ours, dispositions=WORDS)
    return make.batch(ours, agent=agent, status=Batch.Status.RUNNING, started_at=timezone.now())


def reported(batch: Batch, name: str, **fields: Any) -> tuple[Recipient, Call]:
    """A recipient whose answered call has the disposition, before the settlement."""
    recipient = make.recipient(batch)
    words = {"disposition": name, "disposition_by": "agent", "disposition_at": timezone.now()}
    return recipient, answered_call(batch, recipient, **{**words, **fields})


def result(recipient: Recipient) -> tuple[str, str | None, str | None, str | None]:
    recipient.refresh_from_db()
    return recipient.status, recipient.reason, recipient.disposition, recipient.disposition_by


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("done", "completed", None),
        ("later", "retrying", "disposition"),
        ("ask", "review", "disposition"),
        ("never", "completed", None),
        ("rest", "completed", None),
        ("unknown by now", "completed", None),
    ],
)
def test_the_settlement_does_what_the_disposition_orders(
    batch: Batch, name: str, status: str, reason: str | None
) -> None:
    recipient, call = reported(batch, name)

    settle_calls()
    apply_dispositions()

    assert result(recipient) == (status, reason, name, "agent")
    assert Call.unscoped.get(pk=call.pk).disposition_at is None
    if status == "retrying":
        assert recipient.due_at is not None
        assert timedelta(minutes=89) < recipient.due_at - timezone.now() <= timedelta(minutes=90)


@pytest.mark.parametrize(("name", "days"), [("never", None), ("rest", 60)])
def test_a_number_is_suppressed_for_ever_or_for_some_days(
    batch: Batch, name: str, days: int | None
) -> None:
    recipient, _ = reported(batch, name)

    settle_calls()
    apply_dispositions()

    suppression = batch.workspace.suppressions.get(phone_number=recipient.phone_number)
    assert suppression.reason == f"Disposition: {name}"
    if days is None:
        assert suppression.expires_at is None
    else:
        assert suppression.expires_at is not None
        assert abs(suppression.expires_at - timezone.now() - timedelta(days=days)) < timedelta(
            minutes=1
        )


def test_a_rest_does_not_shorten_a_suppression(batch: Batch) -> None:
    recipient, _ = reported(batch, "rest")
    before = make.suppression(batch.workspace, phone_number=recipient.phone_number)

    settle_calls()
    apply_dispositions()

    before.refresh_from_db()
    assert before.expires_at is None


def test_a_disposition_set_after_the_end_calls_again_and_restarts_the_batch(batch: Batch) -> None:
    recipient = make.recipient(batch)
    call = answered_call(batch, recipient)
    settle_calls()
    batch.refresh_from_db()
    assert batch.status == Batch.Status.COMPLETED

    set_disposition(call=call, name="later")
    apply_dispositions()
    apply_dispositions()

    batch.refresh_from_db()
    assert result(recipient) == ("retrying", "disposition", "later", "operator")
    assert (batch.status, batch.ended_at) == ("running", None)


def test_a_disposition_set_after_the_end_ends_a_planned_retry(batch: Batch) -> None:
    recipient, call = reported(batch, "later")
    settle_calls()
    apply_dispositions()

    set_disposition(call=call, name="done")
    apply_dispositions()

    assert result(recipient) == ("completed", None, "done", "operator")


def test_a_recipient_that_was_called_again_is_left_alone(batch: Batch) -> None:
    recipient, call = reported(batch, "later")
    settle_calls()
    apply_dispositions()
    ended_call(batch, Recipient.unscoped.get(pk=recipient.pk), sequence=7)

    set_disposition(call=call, name="ask")
    apply_dispositions()

    recipient.refresh_from_db()
    assert recipient.status == "dialing"


def test_retries_by_disposition_end_with_the_most_attempts_there_may_be(batch: Batch) -> None:
    recipient, _ = reported(batch, "later")
    Recipient.unscoped.filter(pk=recipient.pk).update(attempts=9)

    settle_calls()
    apply_dispositions()

    assert result(recipient)[0] == "completed"


@pytest.mark.parametrize(("outcomes", "status"), [(["screened"], "retrying"), (["busy"], "failed")])
def test_a_screened_call_is_retried_as_the_batch_says(
    batch: Batch, outcomes: list[str], status: str
) -> None:
    retry = {"max_attempts": 2, "delay_minutes": [30], "outcomes": outcomes}
    Batch.unscoped.filter(pk=batch.pk).update(retry=retry)
    recipient = make.recipient(batch)
    answered_call(batch, recipient, outcome="screened", detected="screened")

    settle_calls()

    recipient.refresh_from_db()
    assert (recipient.status, recipient.reason, recipient.outcome, recipient.attempts) == (
        status,
        "screened",
        "screened",
        1,
    )
    progress = make.client(batch.workspace).get(f"/batches/{batch.pk}/progress").json()
    assert progress["answer_rate"] == (0.0 if status == "failed" else None)
