"""As tests/worker/test_poisoned_rows.py, for the loops that settle and reserve calls."""

import pytest

from accounts.models import Workspace
from batches.dialing import reservation, settlement
from batches.models import Batch, Recipient
from tests import make
from tests.batches.dialing.ended_calls import ended_call
from tests.worker.test_poisoned_rows import POSITIONS, poison, workspaces
from voiceops.core.ids import uuid7
from worker import dispatcher

__all__ = ["workspaces"]  # a fixture

pytestmark = pytest.mark.parametrize("position", POSITIONS)


def test_a_call_that_cannot_be_settled_holds_back_no_other(
    position: int, workspaces: list[Workspace]
) -> None:
    batches = [make.batch(each, status=Batch.Status.RUNNING) for each in workspaces]
    recipients = [make.recipient(batch) for batch in batches]
    for batch, recipient in zip(batches, recipients, strict=True):
        ended_call(batch, recipient, outcome="no_answer", end_reason="no_answer")
    Batch.unscoped.filter(pk=batches[position].pk).update(retry=7)

    settled = settlement.settle_calls().calls

    statuses = [Recipient.unscoped.get(pk=each.pk).status for each in recipients]
    assert settled == 2
    assert statuses == ["dialing" if at == position else "failed" for at in POSITIONS]
    assert settlement.settle_calls().calls == 0
    Batch.unscoped.filter(pk=batches[position].pk).update(retry=batches[position].retry)
    settlement.unsettleable.forget()
    assert settlement.settle_calls().calls == 1


def test_a_number_that_cannot_be_reserved_on_holds_back_no_other(
    position: int, workspaces: list[Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = [make.batch(each, status=Batch.Status.RUNNING) for each in workspaces]
    for batch in batches:
        make.recipient(batch)
    numbers = [batch.phone_number_id for batch in batches]
    poison(monkeypatch, reservation, "callable_batches", lambda now: next(turns) == position)
    turns = iter(POSITIONS)

    claimed = [dispatcher.claim_isolated(number, uuid7(), 10) for number in numbers if number]

    assert [len(calls) for calls in claimed] == [int(at != position) for at in POSITIONS]
    assert dispatcher.unclaimable.waiting() == [numbers[position]]
    dispatcher.unclaimable.forget()
