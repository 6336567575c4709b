"""What the end of a call means for the person and the batch."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from batches.dialing import settlement
from batches.models import Batch, Recipient
from telephony.models import Call, NumberPace, Outcome, Stage
from tests import make


def ended(batch: Batch, person: Recipient, **fields: Any) -> Call:
    """A call to that person that is over and not yet taken note of."""
    now = timezone.now()
    values = {
        "stage": Stage.ENDED,
        "recipient_id": person.pk,
        "batch_id": batch.pk,
        "agent": batch.agent,
        "number": batch.phone_number,
        "to_number": person.phone_number,
        "sequence": person.sends + 1,
        "dialed_at": now,
        "intent_at": now,
        "ended_at": now,
        **fields,
    }
    call = make.call(batch.workspace, **values)
    Recipient.unscoped.filter(pk=person.pk).update(
        status=Recipient.Status.DIALING, due_at=None, last_call_id=call.pk, sends=person.sends + 1
    )
    return call


def answered(batch: Batch, person: Recipient, **fields: Any) -> Call:
    values = {
        "outcome": Outcome.ANSWERED,
        "end_reason": "hangup",
        "answered_at": timezone.now(),
        "detected": "human",
    }
    return ended(batch, person, **{**values, **fields})


@pytest.fixture
def batch(ours: Workspace) -> Batch:
    return make.batch(ours, status=Batch.Status.RUNNING)


@pytest.fixture
def person(batch: Batch) -> Recipient:
    return make.recipient(batch)


def state(person: Recipient) -> tuple[Any, ...]:
    person.refresh_from_db()
    return person.status, person.reason, person.attempts, person.outcome


def test_who_answered_is_done_and_the_batch_with_them(batch: Batch, person: Recipient) -> None:
    answered(batch, person)

    settlement.settle_calls()

    assert state(person) == ("completed", None, 1, "answered")
    batch.refresh_from_db()
    assert (batch.status, batch.ended_at is not None) == ("completed", True)


def test_a_call_waits_a_moment_for_word_of_what_answered(batch: Batch, person: Recipient) -> None:
    answered(batch, person, detected=None)

    assert settlement.settle_calls().calls == 0

    Call.unscoped.update(ended_at=timezone.now() - settlement.AGENT_REPORT_WAIT)
    assert settlement.settle_calls().calls == 1


def test_a_call_is_settled_once(batch: Batch, person: Recipient) -> None:
    answered(batch, person)

    assert [settlement.settle_calls().calls, settlement.settle_calls().calls] == [1, 0]
    assert state(person)[2] == 1


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.DECLINED, "declined"),
        (Outcome.INVALID_NUMBER, "invalid_number"),
        (Outcome.BLOCKED, "blocked_by_carrier"),
        (Outcome.BUSY, "busy"),
    ],
)
def test_a_callees_no_counts_and_is_final_after_the_last_attempt(
    batch: Batch, person: Recipient, outcome: Outcome, reason: str
) -> None:
    ended(batch, person, outcome=outcome, end_reason=reason)

    settlement.settle_calls()

    assert state(person) == ("failed", reason, 1, outcome)


def test_a_busy_line_is_tried_again_when_the_batch_says_so(batch: Batch, person: Recipient) -> None:
    batch.retry = {"max_attempts": 2, "delay_minutes": [5], "outcomes": ["busy"]}
    batch.save(update_fields=["retry"])
    ended(batch, person, outcome=Outcome.BUSY, end_reason="busy")

    settlement.settle_calls()

    assert state(person) == ("retrying", "busy", 1, "busy")
    assert person.due_at is not None
    assert timedelta(minutes=4) < person.due_at - timezone.now() < timedelta(minutes=6)


def test_a_call_no_agent_came_to_is_offered_again_a_second_later(
    batch: Batch, person: Recipient
) -> None:
    ended(
        batch,
        person,
        outcome=Outcome.CANCELLED,
        end_reason="no_agent",
        counts=False,
        dialed_at=None,
        intent_at=None,
    )

    settlement.settle_calls()

    assert state(person) == ("pending", "no_agent", 0, None)
    assert person.due_at is not None
    assert person.due_at - timezone.now() < timedelta(seconds=2)


def test_trouble_of_the_carrier_costs_no_attempt(batch: Batch, person: Recipient) -> None:
    ended(
        batch, person, outcome=Outcome.CARRIER_ERROR, end_reason="carrier_unavailable", counts=False
    )

    settlement.settle_calls()

    assert state(person) == ("pending", "carrier_unavailable", 0, "carrier_error")
    assert person.due_at is not None


def test_the_number_backs_off_and_forgets_it_at_the_first_success(batch: Batch) -> None:
    ended(
        batch,
        make.recipient(batch),
        outcome=Outcome.CARRIER_ERROR,
        end_reason="carrier_unavailable",
        counts=False,
    )
    settlement.settle_calls()
    pace = NumberPace.unscoped.get(number=batch.phone_number)
    assert pace.backoff_until is not None
    assert pace.backoff_until - timezone.now() <= timedelta(seconds=5)

    answered(batch, make.recipient(batch))
    settlement.settle_calls()

    assert NumberPace.unscoped.values("backoff_until", "backoff_seconds").get(
        number=batch.phone_number
    ) == {
        "backoff_until": None,
        "backoff_seconds": 0,
    }


def test_what_nobody_can_prove_goes_to_review(batch: Batch, person: Recipient) -> None:
    ended(batch, person, outcome=Outcome.UNKNOWN, end_reason="in_doubt", counts=False)

    settlement.settle_calls()

    assert state(person) == ("review", "in_doubt", 0, "unknown")
    batch.refresh_from_db()
    assert batch.status == "completed"


def test_an_attempt_that_never_left_is_free(batch: Batch, person: Recipient) -> None:
    ended(
        batch,
        person,
        outcome=Outcome.CANCELLED,
        end_reason="abandoned",
        counts=False,
        dialed_at=None,
    )

    settlement.settle_calls()

    assert state(person) == ("pending", None, 0, None)


def test_a_number_suppressed_meanwhile_is_skipped(batch: Batch, person: Recipient) -> None:
    ended(
        batch,
        person,
        outcome=Outcome.CANCELLED,
        end_reason="suppressed",
        counts=False,
        dialed_at=None,
    )

    settlement.settle_calls()

    assert state(person) == ("skipped", "suppressed", 0, None)


def test_in_a_stopped_batch_nobody_goes_back_to_the_queue(batch: Batch, person: Recipient) -> None:
    Batch.unscoped.filter(pk=batch.pk).update(status=Batch.Status.STOPPED)
    ended(
        batch,
        person,
        outcome=Outcome.CANCELLED,
        end_reason="batch_stopped",
        counts=False,
        dialed_at=None,
    )

    settlement.settle_calls()

    assert state(person) == ("cancelled", "batch_stopped", 0, None)


def test_twenty_failures_in_a_row_pause_the_batch_with_the_cause(batch: Batch) -> None:
    for _ in range(20):
        ended(
            batch,
            make.recipient(batch),
            outcome=Outcome.CARRIER_ERROR,
            end_reason="carrier_error",
            counts=False,
            sip_status_code=500,
            sip_status="Server Internal Error",
        )

    settlement.settle_calls()

    batch.refresh_from_db()
    assert batch.status == "paused"
    assert batch.error == (
        "The carrier failed (500 Server Internal Error), 20 times in a row. "
        "One call at a time probes, and the batch resumes when it gets through."
    )
    assert batch.probe_at is not None


def test_refused_credentials_pause_it_at_once_and_a_probe_that_gets_through_heals(
    batch: Batch,
) -> None:
    refused = {
        "outcome": Outcome.TRUNK_ERROR,
        "end_reason": "trunk_credentials_refused",
        "counts": False,
    }
    ended(batch, make.recipient(batch), **refused)
    settlement.settle_calls()
    batch.refresh_from_db()
    assert batch.status == "paused"

    probe = answered(batch, make.recipient(batch))
    Batch.unscoped.filter(pk=batch.pk).update(probe_call_id=probe.pk)
    settlement.settle_calls()

    batch.refresh_from_db()
    assert (batch.status, batch.error, batch.provider_failures) == ("running", None, 0)


def test_one_success_between_failures_starts_the_count_anew(batch: Batch) -> None:
    for index in range(25):
        if index == 10:
            answered(batch, make.recipient(batch))
        else:
            ended(
                batch,
                make.recipient(batch),
                outcome=Outcome.CARRIER_ERROR,
                end_reason="carrier_error",
                counts=False,
            )

    settlement.settle_calls()

    batch.refresh_from_db()
    assert (batch.status, batch.provider_failures) == ("running", 14)
