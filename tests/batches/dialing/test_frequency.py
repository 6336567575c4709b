"""The least time between two calls to one callee, however long it is."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Workspace
from batches.dialing.admission import BatchAdmission
from batches.dialing.settlement import settle_calls
from batches.models import Batch, Recipient
from telephony.models import Stage
from tests import make

MONTH = 30 * 24 * 60


@pytest.mark.parametrize(("days_ago", "refusal"), [(10, "min_gap"), (40, None)])
def test_gap_may_be_longer_than_a_week(ours: Workspace, days_ago: int, refusal: str | None) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(
        min_gap_minutes=MONTH, min_gap_is_default=False, max_attempts_per_week=1
    )
    earlier = timezone.now() - timedelta(days=days_ago)
    make.call(
        ours, to_number="+12025550186", stage=Stage.ENDED, outcome="no_answer", intent_at=earlier
    )
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    call = make.call(ours, to_number="+12025550186", stage=Stage.RESERVED, batch_id=batch.pk)

    assert BatchAdmission([call]).refusal(call, timezone.now()) == refusal


def test_endless_gap_refuses_the_call_and_no_other(ours: Workspace) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(
        min_gap_minutes=2**31 - 1, min_gap_is_default=False
    )
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    call = make.call(ours, to_number="+12025550186", stage=Stage.RESERVED, batch_id=batch.pk)
    earlier_call = make.call(
        ours, to_number="+12025550187", stage=Stage.ENDED, intent_at=timezone.now()
    )
    again = make.call(
        ours, to_number=earlier_call.to_number, stage=Stage.RESERVED, batch_id=batch.pk
    )

    admission = BatchAdmission([call, again])

    assert [admission.refusal(one, timezone.now()) for one in (call, again)] == [None, "min_gap"]


def recipient_refused_for_the_gap(of: Workspace) -> Recipient:
    """A recipient whose call was refused because the callee had been called a minute ago."""
    batch = make.batch(of, status=Batch.Status.RUNNING)
    recipient = make.recipient(batch, status="dialing", due_at=None)
    fields = {
        "batch_id": batch.pk,
        "recipient_id": recipient.pk,
        "end_reason": "min_gap",
        "outcome": "cancelled",
    }
    call = make.call(
        of, to_number=recipient.phone_number, stage=Stage.ENDED, ended_at=timezone.now(), **fields
    )
    Recipient.unscoped.filter(pk=recipient.pk).update(last_call_id=call.pk)
    return recipient


def test_recipient_called_too_recently_waits_for_the_end_of_the_gap(
    ours: Workspace,
) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(min_gap_minutes=MONTH)
    recipient, earlier = recipient_refused_for_the_gap(ours), timezone.now() - timedelta(minutes=1)
    make.call(
        ours,
        to_number=recipient.phone_number,
        stage=Stage.ENDED,
        outcome="no_answer",
        intent_at=earlier,
    )

    settle_calls()

    recipient.refresh_from_db()
    assert (recipient.status, recipient.reason) == ("pending", "min_gap")
    assert recipient.due_at == earlier + timedelta(minutes=MONTH)


def test_recipient_with_an_open_attempt_is_checked_again_in_a_minute(ours: Workspace) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(min_gap_minutes=MONTH)
    recipient = recipient_refused_for_the_gap(ours)
    make.call(ours, to_number=recipient.phone_number, stage=Stage.INTENT, intent_at=timezone.now())

    settle_calls()

    recipient.refresh_from_db()
    assert recipient.due_at is not None
    assert timedelta(seconds=50) < recipient.due_at - timezone.now() <= timedelta(minutes=1)


def test_changed_gap_or_window_of_the_workspace_applies_at_once(ours: Workspace) -> None:
    later = timezone.now() + timedelta(days=1)
    running = make.batch(ours, status=Batch.Status.RUNNING)
    waiting = make.recipient(running, due_at=later)
    in_gap = make.recipient(running, status="retrying", reason="min_gap", due_at=later)
    closed = make.recipient(running, status="retrying", reason="window_closed", due_at=later)
    retrying = make.recipient(running, status="retrying", reason="busy", due_at=later)
    never_open = make.recipient(running, status="skipped", reason="window_closed", due_at=None)
    stopped = make.recipient(
        make.batch(ours, status=Batch.Status.STOPPED), status="skipped", reason="window_closed"
    )

    make.client(ours).patch(f"/workspaces/{ours.pk}", {"calling_window": None})

    still = set(Recipient.unscoped.filter(due_at=later).values_list("pk", flat=True))
    assert still.isdisjoint({waiting.pk, in_gap.pk, closed.pk})
    assert retrying.pk in still
    pending = Recipient.unscoped.filter(status="pending", reason=None).values_list("pk", flat=True)
    assert never_open.pk in pending
    assert stopped.pk not in pending
