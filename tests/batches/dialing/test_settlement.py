"""What the end of a call writes: to its recipient, its batch and its number."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from batches.dialing import settlement
from batches.models import Batch, Recipient
from telephony.domain import call_states
from telephony.domain.dial_verdicts import CARRIER, IN_DOUBT, NO_ANSWER, Verdict
from telephony.models import Call, NumberPace, Outcome
from tests import make
from tests.batches.dialing.ended_calls import answered_call, ended_call


@pytest.fixture
def batch(ours: Workspace) -> Batch:
    return make.batch(ours, status=Batch.Status.RUNNING)


@pytest.fixture
def recipient(batch: Batch) -> Recipient:
    return make.recipient(batch)


def state(recipient: Recipient) -> tuple[Any, ...]:
    recipient.refresh_from_db()
    return recipient.status, recipient.reason, recipient.attempts, recipient.outcome


def test_answered_recipient_is_completed_and_so_is_the_batch(
    batch: Batch, recipient: Recipient
) -> None:
    answered_call(batch, recipient)

    settlement.settle_calls()

    assert state(recipient) == ("completed", None, 1, "answered")
    batch.refresh_from_db()
    assert (batch.status, batch.ended_at is not None) == ("completed", True)


def test_answered_call_is_settled_only_after_the_report_of_what_answered(
    batch: Batch, recipient: Recipient
) -> None:
    answered_call(batch, recipient, detected=None)

    assert settlement.settle_calls().calls == 0

    Call.unscoped.update(ended_at=timezone.now() - settlement.AGENT_REPORT_WAIT)
    assert settlement.settle_calls().calls == 1


@pytest.mark.parametrize("hung_up_by", ["callee", "agent", "operator"])
def test_machine_that_is_detected_while_the_call_ends_is_called_again(
    batch: Batch, recipient: Recipient, hung_up_by: str
) -> None:
    retry = {"max_attempts": 2, "delay_minutes": [5], "outcomes": ["voicemail"]}
    Batch.unscoped.filter(pk=batch.pk).update(retry=retry)
    call = answered_call(batch, recipient, detected=None, hung_up_by=hung_up_by)

    assert settlement.settle_calls().calls == 0
    call_states.mark_detected(call, kind="machine", at=timezone.now())
    assert settlement.settle_calls().calls == 1

    assert state(recipient) == ("retrying", "hangup", 1, "voicemail")
    assert list(call.events.filter(type="alarm")) == []


def test_call_whose_agent_detects_nothing_is_settled_after_a_moment(
    batch: Batch, recipient: Recipient
) -> None:
    answered_call(batch, recipient, detected=None, hung_up_by="callee")

    Call.unscoped.update(ended_at=timezone.now() - settlement.LATE_EVIDENCE_WAIT)

    assert settlement.settle_calls().calls == 1
    assert state(recipient) == ("completed", None, 1, "answered")


@pytest.mark.parametrize("verdict", [NO_ANSWER, CARRIER, IN_DOUBT])
def test_recipient_whose_answer_is_reported_late_is_not_called_again(
    batch: Batch, recipient: Recipient, verdict: Verdict
) -> None:
    retry = {"max_attempts": 3, "delay_minutes": [5], "outcomes": ["no_answer"]}
    Batch.unscoped.filter(pk=batch.pk).update(retry=retry)
    facts = {"outcome": verdict.outcome, "end_reason": verdict.reason, "counts": verdict.counts}
    call = ended_call(batch, recipient, **facts)
    settlement.settle_calls()
    before = state(recipient)[0]

    call.refresh_from_db()
    call_states.mark_answered(call, at=timezone.now(), source="livekit")
    settled = settlement.settle_calls().calls

    assert before in ("retrying", "pending", "review")
    assert settled == (0 if verdict is IN_DOUBT else 1)
    Call.unscoped.update(ended_at=timezone.now() - settlement.AGENT_REPORT_WAIT)
    settlement.settle_calls()
    assert state(recipient) == ("completed", None, 1, "answered")


def test_call_is_settled_once(batch: Batch, recipient: Recipient) -> None:
    answered_call(batch, recipient)

    assert [settlement.settle_calls().calls, settlement.settle_calls().calls] == [1, 0]
    assert state(recipient)[2] == 1


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.DECLINED, "declined"),
        (Outcome.INVALID_NUMBER, "invalid_number"),
        (Outcome.BLOCKED, "blocked_by_carrier"),
        (Outcome.BUSY, "busy"),
    ],
)
def test_refusal_counts_and_fails_the_recipient_after_the_last_attempt(
    batch: Batch, recipient: Recipient, outcome: Outcome, reason: str
) -> None:
    ended_call(batch, recipient, outcome=outcome, end_reason=reason)

    settlement.settle_calls()

    assert state(recipient) == ("failed", reason, 1, outcome)


def test_busy_recipient_is_retried_when_the_batch_allows_it(
    batch: Batch, recipient: Recipient
) -> None:
    batch.retry = {"max_attempts": 2, "delay_minutes": [5], "outcomes": ["busy"]}
    batch.save(update_fields=["retry"])
    ended_call(batch, recipient, outcome=Outcome.BUSY, end_reason="busy")

    settlement.settle_calls()

    assert state(recipient) == ("retrying", "busy", 1, "busy")
    assert recipient.due_at is not None
    assert timedelta(minutes=4) < recipient.due_at - timezone.now() < timedelta(minutes=6)


def test_call_without_an_agent_is_repeated_a_second_later(
    batch: Batch, recipient: Recipient
) -> None:
    ended_call(
        batch,
        recipient,
        outcome=Outcome.CANCELLED,
        end_reason="no_agent",
        counts=False,
        dialed_at=None,
        intent_at=None,
    )

    settlement.settle_calls()

    assert state(recipient) == ("pending", "no_agent", 0, None)
    assert recipient.due_at is not None
    assert recipient.due_at - timezone.now() < timedelta(seconds=2)


def test_carrier_failure_costs_no_attempt(batch: Batch, recipient: Recipient) -> None:
    ended_call(
        batch,
        recipient,
        outcome=Outcome.CARRIER_ERROR,
        end_reason="carrier_unavailable",
        counts=False,
    )

    settlement.settle_calls()

    assert state(recipient) == ("pending", "carrier_unavailable", 0, "carrier_error")
    assert recipient.due_at is not None


def test_number_backs_off_until_the_first_success(batch: Batch) -> None:
    ended_call(
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

    answered_call(batch, make.recipient(batch))
    settlement.settle_calls()

    assert NumberPace.unscoped.values("backoff_until", "backoff_seconds").get(
        number=batch.phone_number
    ) == {
        "backoff_until": None,
        "backoff_seconds": 0,
    }


def test_call_in_doubt_puts_the_recipient_in_review(batch: Batch, recipient: Recipient) -> None:
    ended_call(batch, recipient, outcome=Outcome.UNKNOWN, end_reason="in_doubt", counts=False)

    settlement.settle_calls()

    assert state(recipient) == ("review", "in_doubt", 0, "unknown")
    batch.refresh_from_db()
    assert batch.status == "completed"


def test_attempt_that_was_never_sent_costs_nothing(batch: Batch, recipient: Recipient) -> None:
    ended_call(
        batch,
        recipient,
        outcome=Outcome.CANCELLED,
        end_reason="abandoned",
        counts=False,
        dialed_at=None,
    )

    settlement.settle_calls()

    assert state(recipient) == ("pending", None, 0, None)


def test_recipient_suppressed_before_the_dial_is_skipped(
    batch: Batch, recipient: Recipient
) -> None:
    ended_call(
        batch,
        recipient,
        outcome=Outcome.CANCELLED,
        end_reason="suppressed",
        counts=False,
        dialed_at=None,
    )

    settlement.settle_calls()

    assert state(recipient) == ("skipped", "suppressed", 0, None)


def test_recipient_of_a_stopped_batch_does_not_return_to_the_queue(
    batch: Batch, recipient: Recipient
) -> None:
    Batch.unscoped.filter(pk=batch.pk).update(status=Batch.Status.STOPPED)
    ended_call(
        batch,
        recipient,
        outcome=Outcome.CANCELLED,
        end_reason="batch_stopped",
        counts=False,
        dialed_at=None,
    )

    settlement.settle_calls()

    assert state(recipient) == ("cancelled", "batch_stopped", 0, None)


def test_twenty_failures_in_a_row_pause_the_batch_with_the_cause(batch: Batch) -> None:
    for _ in range(20):
        ended_call(
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


def test_refused_credentials_pause_the_batch_at_once_and_an_answered_probe_resumes_it(
    batch: Batch,
) -> None:
    refused = {
        "outcome": Outcome.TRUNK_ERROR,
        "end_reason": "trunk_credentials_refused",
        "counts": False,
    }
    ended_call(batch, make.recipient(batch), **refused)
    settlement.settle_calls()
    batch.refresh_from_db()
    assert batch.status == "paused"

    probe = answered_call(batch, make.recipient(batch))
    Batch.unscoped.filter(pk=batch.pk).update(probe_call_id=probe.pk)
    settlement.settle_calls()

    batch.refresh_from_db()
    assert (batch.status, batch.error, batch.provider_failures) == ("running", None, 0)


def test_success_between_failures_restarts_the_count(batch: Batch) -> None:
    for index in range(25):
        if index == 10:
            answered_call(batch, make.recipient(batch))
        else:
            ended_call(
                batch,
                make.recipient(batch),
                outcome=Outcome.CARRIER_ERROR,
                end_reason="carrier_error",
                counts=False,
            )

    settlement.settle_calls()

    batch.refresh_from_db()
    assert (batch.status, batch.provider_failures) == ("running", 14)
