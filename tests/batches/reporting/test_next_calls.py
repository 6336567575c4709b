"""What is said about the next call comes true: the queue takes a person then, and not before."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Workspace
from batches.dialing.admission import BatchAdmission
from batches.dialing.frequency import CAPS, RESTS
from batches.dialing.reservation import claim_recipients
from batches.models import Batch, Recipient
from batches.reporting.next_calls import NextCall, next_calls
from telephony.models import Call, Stage
from tests import make
from voiceops.core.ids import uuid7

NUMBER = "+12025550123"
SECOND = timedelta(seconds=1)
SCENARIOS = 40
LIMITS = frozenset(rule for rule, *_ in (*CAPS, *RESTS))


def predicted(recipient: Recipient, now: datetime) -> NextCall | None:
    row = Recipient.unscoped.select_related("batch__workspace").get(pk=recipient.pk)
    return next_calls(row.batch.workspace, [row], now)[0]


def sent(of: Workspace, at: datetime, **fields: Any) -> Call:
    """A call that rang."""
    times = {"intent_at": at, "dialed_at": at, "ended_at": at}
    values = {"stage": Stage.ENDED, "outcome": "no_answer", "counts": True, **times, **fields}
    return make.call(of, **values)


class Queue:
    """The queue at any time: what it does is undone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def takes(self, recipient: Recipient, at: datetime) -> str | None:
        """Return what comes of a claim then: `sent`, the refusal of the last check, or None."""
        modules = ("dialing.reservation", "dialing.frequency", "domain.suppressed_numbers")
        for module in modules:
            self._patch.setattr(f"batches.{module}.database_now", lambda: at)
        self._patch.setattr("telephony.dialing.capacity.database_now", lambda: at)
        batch = Batch.unscoped.get(pk=recipient.batch_id)
        assert batch.phone_number_id is not None
        with transaction.atomic():
            claim_recipients(batch.phone_number_id, owner=uuid7(), max_calls=10)
            call = Call.unscoped.filter(recipient_id=recipient.pk, stage=Stage.RESERVED).first()
            found = None
            if call is not None:
                found = BatchAdmission([call]).refusal(call, at) or "sent"
            transaction.set_rollback(True)
        return found


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    return Queue(monkeypatch)


def scenario(choose: random.Random, now: datetime) -> Recipient:
    """A recipient of a running list, with rules and earlier calls by chance."""

    def earlier() -> datetime:
        return now - timedelta(minutes=choose.choice([5, 50, 130, 200, 1000, 1500]))

    gap = choose.choice([{}, {"min_gap_minutes": 90, "min_gap_is_default": False}, {}])
    of = make.workspace(
        **gap,
        max_calls_per_day=choose.choice([None, None, None, 1, 3]),
        budget_spent_until=choose.choice([None] * 5 + [now + timedelta(hours=5)]),
        max_attempts_per_day=choose.choice([None, None, None, 2]),
        rest_days_after_refusal=choose.choice([None, 1]),
    )
    opens = now + timedelta(hours=choose.randrange(-12, 12), minutes=30)
    closes = opens + timedelta(hours=9)
    span = {"start": f"{opens:%H:%M}", "end": f"{closes:%H:%M}"}
    window = choose.choice([None, None, {"timezone": "UTC", "spans": [span]}])
    batch = make.batch(of, status=Batch.Status.RUNNING, started_at=earlier(), calling_window=window)
    ended_at = choose.choice([None, earlier()])
    status = Batch.Status.COMPLETED if ended_at else Batch.Status.RUNNING
    other = make.batch(of, status=status, started_at=earlier(), ended_at=ended_at)
    recipient = make.recipient(
        batch,
        phone_number=NUMBER,
        due_at=choose.choice([now, now + timedelta(minutes=40)]),
        status=choose.choice(["pending", "retrying"]),
        sends=3,
    )
    own = {"batch_id": batch.pk, "recipient_id": recipient.pk}
    for sequence in range(choose.randrange(4)):
        whose: dict[str, Any] = choose.choice([{}, {"batch_id": other.pk}, own])
        outcome = choose.choice(["no_answer", "declined"])
        sent(of, earlier(), to_number=NUMBER, outcome=outcome, sequence=sequence, **whose)
    for _ in range(choose.randrange(3)):
        sent(of, earlier(), to_number="+12025550199")
    return recipient


@pytest.mark.django_db
def test_the_queue_calls_a_recipient_at_the_predicted_time_and_not_before(queue: Queue) -> None:
    now = timezone.now().replace(microsecond=0)
    rules: Counter[str] = Counter()
    for seed in range(SCENARIOS):
        recipient = scenario(random.Random(seed), now)  # noqa: S311  - reproducible, no secret

        call = predicted(recipient, now)

        assert call is not None
        rules[call.rule] += 1
        if call.at is None:
            assert call.rule in LIMITS, seed
            continue
        assert queue.takes(recipient, call.at) == "sent", (seed, call)
        if call.at > now:
            assert queue.takes(recipient, call.at - SECOND) is None, (seed, call)
            assert queue.takes(recipient, now) is None, (seed, call)

    wanted = {"waiting", "retry", "window_closed", "min_gap", "daily_limit_reached", "daily_cap"}
    assert wanted <= set(rules)


def test_a_list_that_ran_beside_another_waits_for_the_default_gap(
    ours: Workspace, queue: Queue
) -> None:
    now = timezone.now()
    other = make.batch(ours, status=Batch.Status.RUNNING, started_at=now)
    called = sent(ours, now - timedelta(hours=1), to_number=NUMBER, batch_id=other.pk)
    batch = make.batch(ours, status=Batch.Status.RUNNING, started_at=now)
    recipient = make.recipient(batch, phone_number=NUMBER, due_at=now)

    assert called.intent_at is not None
    assert predicted(recipient, now) == NextCall(called.intent_at + timedelta(hours=4), "min_gap")
    assert queue.takes(recipient, now) is None


def test_the_calls_of_the_day_are_waited_for_until_enough_are_a_day_old(ours: Workspace) -> None:
    now = timezone.now()
    for hours in (1, 5, 20):
        sent(ours, now - timedelta(hours=hours), to_number="+12025550199")
    Workspace.unscoped.filter(pk=ours.pk).update(max_calls_per_day=2)
    recipient = make.recipient(
        make.batch(ours, status=Batch.Status.RUNNING), phone_number=NUMBER, due_at=now
    )

    assert predicted(recipient, now) == NextCall(now + timedelta(hours=19), "daily_limit_reached")


def test_a_call_that_is_under_way_counts_for_a_day_from_when_it_was_sent(ours: Workspace) -> None:
    now = timezone.now()
    dialed = now - timedelta(minutes=1)
    make.call(ours, stage=Stage.IN_PROGRESS, intent_at=dialed, dialed_at=dialed)
    Workspace.unscoped.filter(pk=ours.pk).update(max_calls_per_day=1)
    recipient = make.recipient(
        make.batch(ours, status=Batch.Status.RUNNING), phone_number=NUMBER, due_at=now
    )

    assert predicted(recipient, now) == NextCall(dialed + timedelta(days=1), "daily_limit_reached")


def test_a_cap_that_has_passed_when_the_window_opens_excludes_no_recipient(ours: Workspace) -> None:
    # A Monday, 21:00 in Washington: the call of the morning is a day old when it opens again.
    now = datetime(2027, 3, 2, 2, 0, tzinfo=UTC)
    window = {"days": [1, 2, 3, 4, 5], "start": "09:00", "end": "18:00", "timezone": "recipient"}
    batch = make.batch(
        ours, status=Batch.Status.RUNNING, calling_window=window, max_attempts_per_day=1
    )
    recipient = make.recipient(batch, phone_number=NUMBER, due_at=now)

    sent(ours, now - timedelta(hours=12, minutes=30), to_number=NUMBER)
    passed = predicted(recipient, now)
    sent(ours, now - timedelta(hours=4), to_number=NUMBER)
    capped = predicted(recipient, now)

    assert passed == NextCall(datetime(2027, 3, 2, 14, 0, tzinfo=UTC), "window_closed")
    assert capped == NextCall(None, "daily_cap")


@pytest.mark.parametrize(
    ("ends_after", "comes_of_it"),
    [(timedelta(hours=1), "sent"), (timedelta(hours=3), "suppressed")],
)
def test_a_suppression_counts_if_it_holds_when_the_person_is_called(
    ends_after: timedelta, comes_of_it: str, ours: Workspace, queue: Queue
) -> None:
    now = timezone.now()
    at = now + timedelta(hours=2)
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    recipient = make.recipient(batch, phone_number=NUMBER, due_at=at, status="retrying")
    make.suppression(ours, phone_number=NUMBER, expires_at=now + ends_after)

    is_held = comes_of_it == "suppressed"
    assert predicted(recipient, now) == (NextCall(None, "suppressed") if is_held else (at, "retry"))
    assert queue.takes(recipient, at) == comes_of_it


def test_a_list_that_has_paused_itself_tries_a_call_by_itself(
    ours: Workspace, queue: Queue
) -> None:
    now = timezone.now()
    probe_at = now + timedelta(minutes=3)
    batch = make.batch(ours, status=Batch.Status.PAUSED, probe_at=probe_at)
    recipient = make.recipient(batch, phone_number=NUMBER, due_at=now)

    assert predicted(recipient, now) == NextCall(probe_at, "batch_paused")
    assert queue.takes(recipient, probe_at) == "sent"
    assert queue.takes(recipient, probe_at - SECOND) is None
