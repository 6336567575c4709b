"""The circuit breaker of a number: all its batches pause, one call at a time probes, all resume."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from batches.dialing import reservation, settlement
from batches.models import Batch
from batches.services.batches import resume_batch
from telephony.models import Call, NumberPace, Outcome, PhoneNumber, Stage
from tests import make
from tests.batches.dialing.ended_calls import answered_call, ended_call
from voiceops.core.ids import uuid7

CREDENTIALS: dict[str, Any] = {
    "outcome": Outcome.TRUNK_ERROR,
    "end_reason": "trunk_credentials_refused",
    "counts": False,
}
CARRIER: dict[str, Any] = {
    "outcome": Outcome.CARRIER_ERROR,
    "end_reason": "carrier_error",
    "counts": False,
}
REFUSED = (
    "The carrier refused the trunk's credentials. "
    "One call at a time probes, and the batch resumes when it gets through."
)


@pytest.fixture
def number(ours: Workspace) -> PhoneNumber:
    return make.phone_number(ours, calls_per_second=20, max_concurrent_calls=50)


@pytest.fixture
def batches(ours: Workspace, number: PhoneNumber) -> list[Batch]:
    """Two batches on one number, with recipients to call."""
    batches = [make.batch(ours, phone_number=number, status=Batch.Status.RUNNING) for _ in range(2)]
    for batch in batches:
        for _ in range(4):
            make.recipient(batch)
    return batches


def fail_calls(batch: Batch, times: int = 1, **fields: Any) -> None:
    for _ in range(times):
        ended_call(batch, make.recipient(batch), **(fields or CREDENTIALS))
    settlement.settle_calls()


def states(batches: list[Batch]) -> list[tuple[str, str | None]]:
    for batch in batches:
        batch.refresh_from_db()
    return [(batch.status, batch.error) for batch in batches]


def probe(number: PhoneNumber) -> list[Call]:
    return list(
        Call.unscoped.filter(
            pk__in=reservation.claim_recipients(number.pk, owner=uuid7(), max_calls=100)
        )
    )


def make_probe_due(number: PhoneNumber) -> None:
    past = timezone.now() - timedelta(seconds=1)
    NumberPace.unscoped.filter(number=number).update(probe_at=past)
    Batch.unscoped.filter(phone_number=number).exclude(probe_at=None).update(probe_at=past)


def test_refused_credentials_pause_all_batches_of_the_number_with_the_cause(
    ours: Workspace, number: PhoneNumber, batches: list[Batch]
) -> None:
    client = make.client(ours)
    assert client.get(f"/phone-numbers/{number.pk}").json()["status"] == "active"

    fail_calls(batches[0])

    assert states(batches) == [("paused", REFUSED), ("paused", REFUSED)]
    assert client.get(f"/phone-numbers/{number.pk}").json()["status"] == "failing"


def test_batches_of_another_number_go_on(ours: Workspace, batches: list[Batch]) -> None:
    other = make.batch(ours, phone_number=make.phone_number(ours), status=Batch.Status.RUNNING)
    make.recipient(other)

    fail_calls(batches[0])

    assert states([other]) == [("running", None)]


def test_failures_in_a_row_are_counted_across_the_batches_of_a_number(batches: list[Batch]) -> None:
    fail_calls(batches[0], 10, **CARRIER)
    fail_calls(batches[1], 9, **CARRIER)
    assert [status for status, _ in states(batches)] == ["running", "running"]

    fail_calls(batches[1], 1, **CARRIER)

    assert [status for status, _ in states(batches)] == ["paused", "paused"]
    assert batches[0].error is not None
    assert batches[0].error.startswith("The carrier failed, 20 times in a row. ")


def test_batch_that_fails_alone_pauses_alone(batches: list[Batch]) -> None:
    for _ in range(20):
        fail_calls(batches[0], 1, **CARRIER)
        answered_call(batches[1], make.recipient(batches[1]))
        settlement.settle_calls()

    assert [status for status, _ in states(batches)] == ["paused", "running"]


def test_one_call_of_one_batch_probes_when_it_is_due(
    number: PhoneNumber, batches: list[Batch]
) -> None:
    fail_calls(batches[0])
    assert probe(number) == []

    make_probe_due(number)

    assert len(probe(number)) == 1
    make_probe_due(number)
    assert probe(number) == []


def test_failed_probe_is_followed_by_another(number: PhoneNumber, batches: list[Batch]) -> None:
    fail_calls(batches[0])
    make_probe_due(number)
    [call] = probe(number)
    Call.unscoped.filter(pk=call.pk).update(
        stage=Stage.ENDED, ended_at=timezone.now(), **CREDENTIALS
    )

    settlement.settle_calls()

    assert states(batches) == [("paused", REFUSED), ("paused", REFUSED)]
    assert probe(number) == []
    make_probe_due(number)
    assert len(probe(number)) == 1


def test_answered_probe_resumes_all_batches_before_it_ends(
    number: PhoneNumber, batches: list[Batch]
) -> None:
    fail_calls(batches[0])
    make_probe_due(number)
    [call] = probe(number)
    Call.unscoped.filter(pk=call.pk).update(stage=Stage.IN_PROGRESS, answered_at=timezone.now())

    settlement.mark_in_call()

    assert states(batches) == [("running", None), ("running", None)]
    assert NumberPace.unscoped.get(number=number).trouble is None
    # With the one whom the trouble had put off.
    assert len(probe(number)) == 8


def test_call_answered_before_the_failures_began_resumes_nothing(batches: list[Batch]) -> None:
    before = timezone.now() - timedelta(minutes=2)
    fail_calls(batches[0])
    answered_call(batches[1], make.recipient(batches[1]), answered_at=before)

    settlement.settle_calls()

    assert [status for status, _ in states(batches)] == ["paused", "paused"]


def test_batch_paused_by_an_operator_stays_paused(
    number: PhoneNumber, batches: list[Batch]
) -> None:
    Batch.unscoped.filter(pk=batches[1].pk).update(status=Batch.Status.PAUSED)
    fail_calls(batches[0])

    answered_call(batches[0], make.recipient(batches[0]))
    settlement.settle_calls()

    assert states(batches) == [("running", None), ("paused", None)]


def test_resumed_batch_probes_at_once(number: PhoneNumber, batches: list[Batch]) -> None:
    fail_calls(batches[0])

    resume_batch(batch=batches[0])

    assert len(probe(number)) == 1
    assert probe(number) == []


def test_probe_of_a_dead_worker_is_followed_by_another(
    number: PhoneNumber, batches: list[Batch]
) -> None:
    fail_calls(batches[0])
    make_probe_due(number)
    [call] = probe(number)
    abandoned = {"outcome": Outcome.CANCELLED, "end_reason": "abandoned", "counts": False}
    Call.unscoped.filter(pk=call.pk).update(stage=Stage.ENDED, ended_at=timezone.now(), **abandoned)
    settlement.settle_calls()

    make_probe_due(number)

    assert len(probe(number)) == 1
