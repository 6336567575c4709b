"""The verdict of a settlement, case by case, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from batches.dialing.settlement_rules import (
    CARRIER_RETRY_SECONDS,
    FREE_SILENT_SENDS,
    MAX_RETRY_SECONDS_IN_TROUBLE,
    MAX_UNCOUNTED_SENDS,
    QUICK_RETRY_SECONDS,
    BatchFacts,
    CallFacts,
    RecipientChange,
    RecipientFacts,
    decide,
    may_be_the_callees,
)
from batches.domain.recipient_transitions import (
    CANCEL,
    COMPLETE_RECIPIENT,
    FAIL,
    PUT_IN_REVIEW,
    RETRY,
    RETURN_TO_QUEUE,
    SETTLEMENTS,
    SKIP,
)
from batches.models import Recipient
from telephony.domain.dial_verdicts import BY_REASON
from telephony.models import Outcome

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RETRIES = {
    "max_attempts": 3,
    "delay_minutes": [5, 60],
    "outcomes": ["busy", "no_answer", "voicemail"],
}
FIRST = RecipientFacts(attempts=0, outcome=None)
LAST = RecipientFacts(attempts=2, outcome="busy")
RUNNING = BatchFacts(retry=RETRIES, is_stopped=False)
STOPPED = BatchFacts(retry=RETRIES, is_stopped=True)


def call(outcome: str | None, reason: str | None, **facts: Any) -> CallFacts:
    """An ended call that was sent and counts, unless `facts` differ."""
    values = {"counts": True, "was_sent": True, "was_hung_up": False, **facts}
    return CallFacts(outcome=outcome, end_reason=reason, **values)


def uncounted(outcome: str, reason: str, **facts: Any) -> CallFacts:
    return call(outcome, reason, counts=False, **facts)


def unsent(reason: str, **facts: Any) -> CallFacts:
    return uncounted("cancelled", reason, was_sent=False, **facts)


def after(minutes: float = 0, seconds: float = 0) -> datetime:
    return NOW + timedelta(minutes=minutes, seconds=seconds)


ANSWERED = call("answered", "hangup")
VOICEMAIL = call("voicemail", "hangup")
BUSY = call("busy", "busy")
CASES = {
    "answered": (
        ANSWERED,
        FIRST,
        RUNNING,
        RecipientChange(COMPLETE_RECIPIENT, None, "answered", 1),
    ),
    "answered by a stopped batch": (
        ANSWERED,
        FIRST,
        STOPPED,
        RecipientChange(COMPLETE_RECIPIENT, None, "answered", 1),
    ),
    "voicemail, tried again": (
        VOICEMAIL,
        FIRST,
        RUNNING,
        RecipientChange(RETRY, "hangup", "voicemail", 1, after(5)),
    ),
    "voicemail at the last attempt": (
        VOICEMAIL,
        LAST,
        RUNNING,
        RecipientChange(COMPLETE_RECIPIENT, None, "voicemail", 3),
    ),
    "voicemail, batch stopped before the retry": (
        VOICEMAIL,
        FIRST,
        STOPPED,
        RecipientChange(CANCEL, "hangup", "voicemail", 1),
    ),
    "busy, first attempt": (
        BUSY,
        FIRST,
        RUNNING,
        RecipientChange(RETRY, "busy", "busy", 1, after(5)),
    ),
    "busy, second attempt": (
        BUSY,
        RecipientFacts(attempts=1, outcome="no_answer"),
        RUNNING,
        RecipientChange(RETRY, "busy", "busy", 2, after(60)),
    ),
    "busy, last attempt": (BUSY, LAST, RUNNING, RecipientChange(FAIL, "busy", "busy", 3)),
    "busy, batch stopped": (BUSY, FIRST, STOPPED, RecipientChange(CANCEL, "busy", "busy", 1)),
    "declined is not retried": (
        call("declined", "declined"),
        FIRST,
        RUNNING,
        RecipientChange(FAIL, "declined", "declined", 1),
    ),
    "declined in a stopped batch": (
        call("declined", "declined"),
        FIRST,
        STOPPED,
        RecipientChange(FAIL, "declined", "declined", 1),
    ),
    "hung up by an operator while ringing": (
        call("cancelled", "hung_up_before_answer", was_hung_up=True),
        FIRST,
        RUNNING,
        RecipientChange(CANCEL, "hung_up_before_answer", "cancelled", 1),
    ),
    "hung up by an operator before it was sent": (
        unsent("hung_up_before_answer", was_hung_up=True),
        FIRST,
        RUNNING,
        RecipientChange(CANCEL, "hung_up_before_answer", "cancelled", 0),
    ),
    "in doubt": (
        uncounted("unknown", "in_doubt"),
        LAST,
        RUNNING,
        RecipientChange(PUT_IN_REVIEW, "in_doubt", "unknown", 2),
    ),
    "in doubt in a stopped batch": (
        uncounted("unknown", "in_doubt"),
        FIRST,
        STOPPED,
        RecipientChange(PUT_IN_REVIEW, "in_doubt", "unknown", 0),
    ),
    "suppressed": (
        unsent("suppressed"),
        LAST,
        RUNNING,
        RecipientChange(SKIP, "suppressed", "busy", 2),
    ),
    "daily cap": (unsent("daily_cap"), FIRST, RUNNING, RecipientChange(SKIP, "daily_cap", None, 0)),
    "variables too long": (
        unsent("variables_too_long"),
        FIRST,
        RUNNING,
        RecipientChange(SKIP, "variables_too_long", None, 0),
    ),
    "window closed before the first attempt": (
        unsent("window_closed"),
        FIRST,
        RUNNING,
        RecipientChange(RETURN_TO_QUEUE, "window_closed", None, 0, after(seconds=60)),
    ),
    "window closed before a retry": (
        unsent("window_closed"),
        LAST,
        RUNNING,
        RecipientChange(RETRY, "window_closed", "busy", 2, after(seconds=60)),
    ),
    "window closed in a stopped batch": (
        unsent("window_closed"),
        FIRST,
        STOPPED,
        RecipientChange(SKIP, "window_closed", None, 0),
    ),
    "called too recently": (
        unsent("min_gap", gap_ends_at=after(7)),
        FIRST,
        RUNNING,
        RecipientChange(RETURN_TO_QUEUE, "min_gap", None, 0, after(7)),
    ),
    "no agent came": (
        unsent("no_agent"),
        FIRST,
        RUNNING,
        RecipientChange(RETURN_TO_QUEUE, "no_agent", None, 0, after(seconds=1)),
    ),
    "reservation lost": (
        unsent("abandoned"),
        FIRST,
        RUNNING,
        RecipientChange(RETURN_TO_QUEUE, None, None, 0, NOW),
    ),
    "batch paused before the dial": (
        unsent("batch_paused"),
        LAST,
        RUNNING,
        RecipientChange(RETRY, None, "busy", 2, NOW),
    ),
    "carrier out of channels": (
        uncounted("carrier_error", "carrier_unavailable"),
        replace(FIRST, uncounted_sends=1),
        RUNNING,
        RecipientChange(
            RETURN_TO_QUEUE, "carrier_unavailable", "carrier_error", 0, after(seconds=1)
        ),
    ),
    "carrier out of channels before a retry": (
        uncounted("carrier_error", "carrier_unavailable"),
        replace(LAST, uncounted_sends=3),
        RUNNING,
        RecipientChange(RETRY, "carrier_unavailable", "carrier_error", 2, after(seconds=10)),
    ),
    "carrier out of channels for the last time": (
        uncounted("carrier_error", "carrier_unavailable"),
        replace(FIRST, uncounted_sends=MAX_UNCOUNTED_SENDS),
        RUNNING,
        RecipientChange(FAIL, "carrier_unavailable", "carrier_error", 0),
    ),
    "carrier out of channels, batch stopped": (
        uncounted("carrier_error", "carrier_unavailable"),
        replace(FIRST, uncounted_sends=MAX_UNCOUNTED_SENDS),
        STOPPED,
        RecipientChange(CANCEL, "batch_stopped", "carrier_error", 0),
    ),
    "never sent, batch stopped": (
        unsent("batch_stopped"),
        LAST,
        STOPPED,
        RecipientChange(CANCEL, "batch_stopped", "busy", 2),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_ended_call_changes_its_recipient(name: str) -> None:
    ended, recipient, batch, change = CASES[name]

    assert decide(ended, recipient, batch, now=NOW) == change


@pytest.mark.parametrize(
    ("reason", "delays"),
    [
        ("carrier_error", CARRIER_RETRY_SECONDS),
        ("carrier_silent", CARRIER_RETRY_SECONDS),
        ("carrier_unavailable", QUICK_RETRY_SECONDS),
        ("carrier_limit", QUICK_RETRY_SECONDS),
        ("agent_lost", QUICK_RETRY_SECONDS),
    ],
)
@pytest.mark.parametrize("sends", range(1, MAX_UNCOUNTED_SENDS))
def test_uncounted_attempts_are_repeated_later_and_later(
    sends: int, reason: str, delays: tuple[int, ...]
) -> None:
    ended = uncounted("carrier_error", reason)
    recipient = RecipientFacts(attempts=0, outcome=None, uncounted_sends=sends)

    change = decide(ended, recipient, RUNNING, now=NOW)

    assert change.due_at == after(seconds=delays[sends - 1])


@pytest.mark.parametrize("delays", [CARRIER_RETRY_SECONDS, QUICK_RETRY_SECONDS])
def test_destination_that_fails_is_not_redialled_ten_times_within_minutes(
    delays: tuple[int, ...],
) -> None:
    assert list(delays) == sorted(delays)
    assert len(delays) == MAX_UNCOUNTED_SENDS - 1
    assert sum(delays) > 3600
    assert sum(delays[:4]) > 60


def test_what_was_never_sent_is_repeated_soon() -> None:
    recipient = RecipientFacts(attempts=0, outcome=None, uncounted_sends=5)

    change = decide(unsent("no_agent"), recipient, RUNNING, now=NOW)

    assert change.due_at == after(seconds=QUICK_RETRY_SECONDS[0])


@pytest.mark.parametrize("sends", [5, MAX_UNCOUNTED_SENDS, 5 * MAX_UNCOUNTED_SENDS])
def test_recipient_does_not_fail_while_the_carrier_is_in_trouble(sends: int) -> None:
    in_trouble = replace(RUNNING, is_in_trouble=True)
    recipient = RecipientFacts(attempts=0, outcome=None, uncounted_sends=sends)

    change = decide(uncounted("carrier_error", "carrier_silent"), recipient, in_trouble, now=NOW)

    assert change == RecipientChange(
        RETURN_TO_QUEUE,
        "carrier_silent",
        "carrier_error",
        0,
        after(seconds=MAX_RETRY_SECONDS_IN_TROUBLE),
    )


@pytest.mark.parametrize(
    ("silent_sends", "is_in_trouble", "counts", "may_be"),
    [
        (FREE_SILENT_SENDS, False, False, False),
        (FREE_SILENT_SENDS + 1, False, False, True),
        (FREE_SILENT_SENDS + 1, True, False, False),
        (FREE_SILENT_SENDS + 1, False, True, False),
    ],
)
def test_silent_call_may_be_the_callees_after_the_free_ones(
    silent_sends: int, is_in_trouble: bool, counts: bool, may_be: bool
) -> None:
    ended = call("carrier_error", "carrier_silent", counts=counts)
    recipient = RecipientFacts(attempts=0, outcome=None, silent_sends=silent_sends)
    batch = replace(RUNNING, is_in_trouble=is_in_trouble)

    assert may_be_the_callees(ended, recipient, batch) is may_be


@pytest.mark.parametrize("is_stopped", [False, True])
@pytest.mark.parametrize("outcome", [None, *Outcome])
def test_every_end_leads_to_a_documented_state(outcome: str | None, is_stopped: bool) -> None:
    batch = BatchFacts(retry=RETRIES, is_stopped=is_stopped)
    for reason, counts in product([None, "hangup", *BY_REASON], [False, True]):
        change = decide(call(outcome, reason, counts=counts), FIRST, batch, now=NOW)

        is_waiting = change.transition.to in Recipient.Status.waiting()
        assert change.transition in SETTLEMENTS
        assert (change.due_at is not None) == is_waiting
        assert not (is_waiting and is_stopped)
