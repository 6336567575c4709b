"""A call that never rang: the carrier's silence, or one callee's beside others who are reached."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from batches.dialing import settlement
from batches.dialing.settlement import LATE_EVIDENCE_WAIT
from batches.dialing.settlement_rules import FREE_SILENT_SENDS
from batches.models import Batch, Recipient
from telephony.dialing.protocol import EVIDENCE_WAIT
from telephony.domain.timeline import add_event
from telephony.models import Call, NumberPace, Outcome, PhoneNumber
from tests import make
from tests.batches.dialing.ended_calls import answered_call, ended_call
from tests.telephony.dialing.fakes import left_webhook

RINGS_FOR = timedelta(seconds=30)


@pytest.fixture
def number(ours: Workspace) -> PhoneNumber:
    return make.phone_number(ours)


@pytest.fixture
def batch(ours: Workspace, number: PhoneNumber) -> Batch:
    return make.batch(ours, phone_number=number, status=Batch.Status.RUNNING)


def ago(**time: float) -> datetime:
    return timezone.now() - timedelta(**time)


def silent_call(batch: Batch, recipient: Recipient, **fields: Any) -> Call:
    """A call to which the carrier did not react, with no more evidence to be expected."""
    ended_at = fields.pop("ended_at", None) or timezone.now() - 2 * EVIDENCE_WAIT
    dialed_at = fields.pop("dialed_at", None) or ended_at - RINGS_FOR
    recipient.refresh_from_db()
    call = ended_call(
        batch,
        recipient,
        outcome=Outcome.CARRIER_ERROR,
        end_reason="carrier_silent",
        counts=False,
        intent_at=dialed_at,
        dialed_at=dialed_at,
        ended_at=ended_at,
        **fields,
    )
    add_event(call, type="ended", text="The carrier did not react", at=ended_at)
    return call


def reached(batch: Batch, dialed_at: datetime) -> Call:
    """A call to somebody else whose phone rang, settled long ago."""
    return answered_call(
        batch,
        make.recipient(batch),
        dialed_at=dialed_at,
        ringing_at=dialed_at,
        answered_at=dialed_at,
        settled_at=dialed_at,
    )


def state(recipient: Recipient) -> tuple[Any, ...]:
    recipient.refresh_from_db()
    return recipient.status, recipient.reason, recipient.attempts, recipient.outcome


WAITING = ("pending", "carrier_silent", 0, "carrier_error")


def test_silent_call_is_free_and_repeated_ever_later(batch: Batch) -> None:
    recipient = make.recipient(batch)
    waits = []

    for _ in range(4):
        silent_call(batch, recipient)
        settlement.settle_calls()
        assert state(recipient) == WAITING
        assert recipient.due_at is not None
        waits.append(round((recipient.due_at - timezone.now()).total_seconds()))

    assert waits == [2, 30, 120, 600]


@pytest.mark.parametrize(
    ("waited", "has_left", "settled"),
    [
        (LATE_EVIDENCE_WAIT / 2, True, 0),
        (LATE_EVIDENCE_WAIT, True, 1),
        (LATE_EVIDENCE_WAIT, False, 0),
        (EVIDENCE_WAIT, False, 1),
    ],
)
def test_silent_call_is_settled_once_no_more_evidence_is_expected(
    batch: Batch, waited: timedelta, has_left: bool, settled: int
) -> None:
    call = silent_call(batch, make.recipient(batch), ended_at=timezone.now() - waited)
    if has_left:
        left_webhook(call, "dialing")

    assert settlement.settle_calls().calls == settled


def test_evidence_of_ringing_makes_it_an_attempt(batch: Batch) -> None:
    recipient = make.recipient(batch)
    call = silent_call(batch, recipient)
    left_webhook(call, "ringing")

    settlement.settle_calls()

    assert state(recipient) == ("failed", "ringing_timeout", 1, "no_answer")


def test_one_phone_that_never_rings_beside_others_was_not_answered(batch: Batch) -> None:
    recipient = make.recipient(batch)
    reached(batch, ago(seconds=75))

    for _ in range(FREE_SILENT_SENDS):
        silent_call(batch, recipient, dialed_at=ago(seconds=70))
        settlement.settle_calls()
        assert state(recipient) == WAITING
    reached(batch, ago(seconds=65))
    last = silent_call(batch, recipient)
    settlement.settle_calls()

    assert state(recipient) == ("failed", "carrier_silent", 1, "no_answer")
    last.refresh_from_db()
    assert (last.outcome, last.end_reason, last.counts) == ("no_answer", "carrier_silent", True)
    assert last.events.get(type="ended").text == (
        "The phone never rang, while others on this number did"
    )


@pytest.mark.parametrize("tries", [FREE_SILENT_SENDS + 1, FREE_SILENT_SENDS + 3])
@pytest.mark.parametrize("heals", [False, True])
def test_no_recipient_is_final_whose_phone_never_rang_while_the_carrier_was_dead(
    batch: Batch, tries: int, heals: bool
) -> None:
    # The last calls before the carrier died were answered; then nobody's phone rings.
    for second in (200, 199, 198, 197):
        reached(batch, ago(seconds=second))
    recipients = [make.recipient(batch) for _ in range(4)]
    for attempt in range(tries):
        if heals and attempt == tries - 1:
            reached(batch, ago(seconds=40))
        for position, recipient in enumerate(recipients):
            dialed_at = ago(seconds=190 - 40 * attempt / tries - position)
            silent_call(batch, recipient, dialed_at=dialed_at)
        settlement.settle_calls()

    assert [state(recipient) for recipient in recipients] == [WAITING] * 4


def test_some_dead_phones_in_a_list_do_not_vouch_for_each_other(batch: Batch) -> None:
    for second in range(200, 100, -5):
        reached(batch, ago(seconds=second))
    recipients = [make.recipient(batch) for _ in range(3)]
    for attempt in range(FREE_SILENT_SENDS + 1):
        for position, recipient in enumerate(recipients):
            # First in the midst of the others, then after them.
            dialed_at = ago(seconds=188 - 20 * position if not attempt else 50 - attempt)
            silent_call(batch, recipient, dialed_at=dialed_at)
        settlement.settle_calls()

    assert {state(recipient) for recipient in recipients} == {
        ("failed", "carrier_silent", 1, "no_answer")
    }


def test_twenty_silent_calls_pause_the_batch_and_an_answer_resumes_it(
    number: PhoneNumber, batch: Batch
) -> None:
    recipients = [make.recipient(batch) for _ in range(20)]
    for recipient in recipients:
        silent_call(batch, recipient)
    settlement.settle_calls()

    batch.refresh_from_db()
    assert (batch.status, batch.error) == (
        "paused",
        "The carrier did not react, 20 times in a row. "
        "One call at a time probes, and the batch resumes when it gets through.",
    )
    assert {state(recipient) for recipient in recipients} == {WAITING}

    answered_call(batch, make.recipient(batch))
    settlement.settle_calls()

    batch.refresh_from_db()
    assert (batch.status, batch.error) == ("running", None)
    assert NumberPace.unscoped.get(number=number).trouble is None
    assert batch.recipients.filter(due_at__lte=timezone.now()).count() == 20


def test_end_of_a_repeated_failure_says_when_the_number_is_called_again(batch: Batch) -> None:
    recipient = make.recipient(batch)
    calls = []
    for _ in range(2):
        calls.append(silent_call(batch, recipient))
        settlement.settle_calls()

    first, second = (call.events.get(type="ended") for call in calls)
    recipient.refresh_from_db()
    assert recipient.due_at is not None
    assert first.text == "The carrier did not react"
    assert second.text == (
        "The carrier did not react. It costs no attempt, and the number is called again "
        f"after {recipient.due_at:%H:%M:%S} UTC"
    )
    assert second.data["next_attempt_at"] == recipient.due_at.isoformat()


def test_call_that_lost_its_agent_completes_its_recipient_at_once(batch: Batch) -> None:
    recipient = make.recipient(batch)
    answered_call(batch, recipient, detected=None, end_reason="agent_lost")

    settlement.settle_calls()

    assert state(recipient) == ("completed", None, 1, "answered")


def test_dial_that_lost_its_agent_is_repeated_soon_and_free(batch: Batch) -> None:
    recipient = make.recipient(batch)
    ended_call(
        batch,
        recipient,
        outcome=Outcome.CANCELLED,
        end_reason="agent_lost",
        counts=False,
        ended_at=timezone.now() - 2 * LATE_EVIDENCE_WAIT,
    )

    settlement.settle_calls()

    assert state(recipient) == ("pending", "agent_lost", 0, "cancelled")
    assert recipient.due_at is not None
    assert recipient.due_at - timezone.now() < timedelta(seconds=2)
