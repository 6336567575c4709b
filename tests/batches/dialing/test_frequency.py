"""The least time between two calls to one person, however long it is."""

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
def test_a_gap_may_be_longer_than_a_week(
    ours: Workspace, days_ago: int, refusal: str | None
) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(min_gap_minutes=MONTH, max_attempts_per_week=1)
    earlier = timezone.now() - timedelta(days=days_ago)
    make.call(
        ours, to_number="+12025550186", stage=Stage.ENDED, outcome="no_answer", intent_at=earlier
    )
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    call = make.call(ours, to_number="+12025550186", stage=Stage.RESERVED, batch_id=batch.pk)

    assert BatchAdmission([call]).refusal(call, timezone.now()) == refusal


def test_a_gap_without_end_stops_no_worker(ours: Workspace) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(min_gap_minutes=2**31 - 1)
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    call = make.call(ours, to_number="+12025550186", stage=Stage.RESERVED, batch_id=batch.pk)
    before = make.call(ours, to_number="+12025550187", stage=Stage.ENDED, intent_at=timezone.now())
    again = make.call(ours, to_number=before.to_number, stage=Stage.RESERVED, batch_id=batch.pk)

    admission = BatchAdmission([call, again])

    assert [admission.refusal(one, timezone.now()) for one in (call, again)] == [None, "min_gap"]


def refused_for_the_gap(of: Workspace) -> Recipient:
    """Somebody whose call was refused because they had been called a minute ago."""
    batch = make.batch(of, status=Batch.Status.RUNNING)
    person = make.recipient(batch, status="dialing", due_at=None)
    told = {
        "batch_id": batch.pk,
        "recipient_id": person.pk,
        "end_reason": "min_gap",
        "outcome": "cancelled",
    }
    call = make.call(
        of, to_number=person.phone_number, stage=Stage.ENDED, ended_at=timezone.now(), **told
    )
    Recipient.unscoped.filter(pk=person.pk).update(last_call_id=call.pk)
    return person


def test_who_was_called_too_lately_waits_for_the_gap_and_is_not_asked_every_minute(
    ours: Workspace,
) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(min_gap_minutes=MONTH)
    person, earlier = refused_for_the_gap(ours), timezone.now() - timedelta(minutes=1)
    make.call(
        ours,
        to_number=person.phone_number,
        stage=Stage.ENDED,
        outcome="no_answer",
        intent_at=earlier,
    )

    settle_calls()

    person.refresh_from_db()
    assert (person.status, person.reason) == ("pending", "min_gap")
    assert person.due_at == earlier + timedelta(minutes=MONTH)


def test_an_attempt_that_may_yet_not_have_been_sent_is_asked_about_again(ours: Workspace) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(min_gap_minutes=MONTH)
    person = refused_for_the_gap(ours)
    make.call(ours, to_number=person.phone_number, stage=Stage.INTENT, intent_at=timezone.now())

    settle_calls()

    person.refresh_from_db()
    assert person.due_at is not None
    assert timedelta(seconds=50) < person.due_at - timezone.now() <= timedelta(minutes=1)


def test_a_gap_or_a_window_of_the_workspace_that_changes_counts_at_once(ours: Workspace) -> None:
    later = timezone.now() + timedelta(days=1)
    running = make.batch(ours, status=Batch.Status.RUNNING)
    waiting = make.recipient(running, due_at=later)
    held = make.recipient(running, status="retrying", reason="min_gap", due_at=later)
    closed = make.recipient(running, status="retrying", reason="window_closed", due_at=later)
    retrying = make.recipient(running, status="retrying", reason="busy", due_at=later)
    never = make.recipient(running, status="skipped", reason="window_closed", due_at=None)
    over = make.recipient(
        make.batch(ours, status=Batch.Status.STOPPED), status="skipped", reason="window_closed"
    )

    make.client(ours).patch(f"/workspaces/{ours.pk}", {"calling_window": None})

    still = set(Recipient.unscoped.filter(due_at=later).values_list("pk", flat=True))
    assert still.isdisjoint({waiting.pk, held.pk, closed.pk})
    assert retrying.pk in still
    pending = Recipient.unscoped.filter(status="pending", reason=None).values_list("pk", flat=True)
    assert never.pk in pending
    assert over.pk not in pending
