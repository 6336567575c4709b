"""Reservations and intents: within every limit, fairly, and never past a pause."""

from datetime import timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from accounts.models import Workspace
from agents.models import AgentVersion
from batches.dialing import reservation, settlement
from batches.dialing.admission import BatchGate
from batches.models import Batch, Recipient
from telephony.dialing import intents
from telephony.dialing.jobs import close_unsent, load_jobs
from telephony.dialing.protocol import INTENT_HORIZON
from telephony.domain.dial_verdicts import RELEASED
from telephony.models import Call, NumberPace, PhoneNumber, Stage
from tests import make
from voiceops.core.ids import uuid7

OWNER = uuid7()


def add_recipients(batch: Batch, count: int) -> list[Recipient]:
    return [make.recipient(batch) for _ in range(count)]


def claim(number: PhoneNumber, max_calls: int = 1000) -> list[Call]:
    ids = reservation.claim_recipients(number.pk, owner=OWNER, max_calls=max_calls)
    return list(Call.unscoped.filter(pk__in=ids).order_by("pk"))


def open_in(zone: str) -> dict[str, Any]:
    """A window of at most two hours that is open in the zone now."""
    hour = timezone.now().astimezone(ZoneInfo(zone)).hour
    end = f"{min(hour + 2, 24):02}:00"
    return {
        "days": [1, 2, 3, 4, 5, 6, 7],
        "start": f"{hour:02}:00",
        "end": end,
        "timezone": "recipient",
    }


def commit_intents(calls: list[Call]) -> intents.PacingRound:
    return intents.commit_intents(
        load_jobs([call.pk for call in calls]), owner=OWNER, gate=BatchGate()
    )


@pytest.fixture
def number(ours: Workspace) -> PhoneNumber:
    return make.phone_number(ours, calls_per_second=20, max_concurrent_calls=30)


@pytest.fixture
def batch(ours: Workspace, number: PhoneNumber) -> Batch:
    return make.batch(ours, phone_number=number, status=Batch.Status.RUNNING)


def test_claim_reserves_an_attempt_and_removes_the_recipient_from_the_queue(
    batch: Batch, number: PhoneNumber
) -> None:
    recipient = make.recipient(batch)

    [call] = claim(number)

    recipient.refresh_from_db()
    assert (recipient.status, recipient.due_at, recipient.sends, recipient.last_call_id) == (
        "dialing",
        None,
        1,
        call.pk,
    )
    assert (call.stage, call.recipient_id, call.attempt, call.sequence, call.room) == (
        Stage.RESERVED,
        recipient.pk,
        1,
        1,
        f"vo-{call.pk}",
    )
    assert (call.variables, call.lease_owner) == ({"first_name": "Ada"}, OWNER)


def test_recipient_is_claimed_once(batch: Batch, number: PhoneNumber) -> None:
    add_recipients(batch, 3)

    assert [len(claim(number)), len(claim(number))] == [3, 0]


def test_open_calls_never_exceed_the_limit_of_the_number(batch: Batch, number: PhoneNumber) -> None:
    add_recipients(batch, 50)

    claim(number)
    Call.unscoped.update(stage=Stage.IN_PROGRESS)
    claim(number)

    assert Call.unscoped.open().count() == 30


def test_only_two_seconds_of_calls_are_reserved_ahead(ours: Workspace) -> None:
    slow = make.phone_number(ours, calls_per_second=3, max_concurrent_calls=100)
    add_recipients(make.batch(ours, phone_number=slow, status=Batch.Status.RUNNING), 20)

    assert len(claim(slow)) == 6


def test_limit_of_the_workspace_holds_across_numbers(
    ours: Workspace, batch: Batch, number: PhoneNumber
) -> None:
    ours.max_concurrent_calls = 4
    ours.save(update_fields=["max_concurrent_calls"])
    other = make.phone_number(ours, calls_per_second=20, max_concurrent_calls=30)
    add_recipients(batch, 10)
    add_recipients(make.batch(ours, phone_number=other, status=Batch.Status.RUNNING), 10)

    claimed = [len(claim(number)), len(claim(other))]

    assert claimed == [4, 0]


def test_small_batch_gets_its_share_beside_a_large_one(
    ours: Workspace, batch: Batch, number: PhoneNumber
) -> None:
    add_recipients(batch, 60)
    small = make.batch(ours, phone_number=number, status=Batch.Status.RUNNING)
    add_recipients(small, 5)

    calls = claim(number)

    assert sum(call.batch_id == small.pk for call in calls) == 5


@pytest.mark.parametrize("status", ["ready", "paused", "stopped", "completed", "validating"])
def test_only_running_batches_are_claimed_from(
    batch: Batch, number: PhoneNumber, status: str
) -> None:
    add_recipients(batch, 1)
    Batch.unscoped.filter(pk=batch.pk).update(status=status)

    assert claim(number) == []


def test_recipient_outside_its_window_waits_until_it_opens(
    batch: Batch, number: PhoneNumber
) -> None:
    tomorrow = (timezone.now() + timedelta(days=1)).isoweekday()
    window = {"days": [tomorrow], "start": "00:00", "end": "24:00", "timezone": "UTC"}
    Batch.unscoped.filter(pk=batch.pk).update(calling_window=window)
    recipient = make.recipient(batch)

    assert claim(number) == []

    recipient.refresh_from_db()
    assert (recipient.status, recipient.reason) == ("pending", "window_closed")
    assert recipient.due_at is not None
    assert recipient.due_at.isoweekday() == tomorrow


def test_recipients_behind_many_outside_their_window_are_called_at_once(
    ours: Workspace,
) -> None:
    slow = make.phone_number(ours, calls_per_second=1, max_concurrent_calls=10)
    batch = make.batch(
        ours,
        phone_number=slow,
        status=Batch.Status.RUNNING,
        calling_window=open_in("Europe/London"),
    )
    asleep = [
        make.recipient(batch, phone_number=f"+6421555{at:04}") for at in range(60)
    ]  # New Zealand
    awake = [make.recipient(batch, phone_number=f"+44207946{at:04}") for at in range(3)]

    calls = claim(slow)

    assert [call.recipient_id for call in calls] == [recipient.pk for recipient in awake[:2]]
    assert not Recipient.unscoped.filter(
        pk__in=[recipient.pk for recipient in asleep], due_at__lte=timezone.now()
    ).exists()


def test_intents_lie_a_slot_apart_and_end_at_the_horizon(batch: Batch, number: PhoneNumber) -> None:
    add_recipients(batch, 20)

    pacing_round = commit_intents(claim(number))

    slots = [slot for _, slot in pacing_round.sends]
    gaps = {round((after - before).total_seconds(), 4) for before, after in pairwise(slots)}
    assert gaps == {round(1 / (0.96 * 20), 4)}
    assert slots[-1] - pacing_round.now <= INTENT_HORIZON
    assert len(pacing_round.sends) + len(pacing_round.waiting) == 20
    assert set(Call.unscoped.filter(stage=Stage.INTENT).values_list("pk", flat=True)) == {
        job.call.pk for job, _ in pacing_round.sends
    }


def test_two_dispatchers_never_get_the_same_slot(batch: Batch, number: PhoneNumber) -> None:
    add_recipients(batch, 8)
    calls = claim(number)

    first, second = commit_intents(calls[:4]), commit_intents(calls[4:])

    gap = timedelta(seconds=1 / (0.96 * 20))
    last = max(slot for _, slot in first.sends)
    assert all(slot >= last + gap - timedelta(microseconds=2) for _, slot in second.sends)


@pytest.mark.parametrize(
    ("status", "reason"), [("paused", "batch_paused"), ("stopped", "batch_stopped")]
)
def test_pause_after_the_claim_ends_the_call_before_its_intent(
    batch: Batch, number: PhoneNumber, status: str, reason: str
) -> None:
    add_recipients(batch, 1)
    calls = claim(number)
    Batch.unscoped.filter(pk=batch.pk).update(status=status)

    pacing_round = commit_intents(calls)

    assert (pacing_round.sends, len(pacing_round.refused)) == ([], 1)
    call = Call.unscoped.get()
    assert (call.stage, call.end_reason, call.dialed_at) == (Stage.ENDED, reason, None)


def test_number_suppressed_after_the_claim_is_not_called(batch: Batch, number: PhoneNumber) -> None:
    recipient = make.recipient(batch)
    calls = claim(number)
    make.suppression(batch.workspace, phone_number=recipient.phone_number)

    pacing_round = commit_intents(calls)

    assert (pacing_round.sends, Call.unscoped.get().end_reason) == ([], "suppressed")


def test_expired_suppression_forbids_nothing(batch: Batch, number: PhoneNumber) -> None:
    recipient = make.recipient(batch)
    calls = claim(number)
    past = timezone.now() - timedelta(minutes=1)
    make.suppression(batch.workspace, phone_number=recipient.phone_number, expires_at=past)

    assert len(commit_intents(calls).sends) == 1


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("min_gap_minutes", "min_gap"),
        ("max_attempts_per_day", "daily_cap"),
        ("max_attempts_per_week", "weekly_cap"),
    ],
)
def test_frequency_limits_hold_across_batches(
    batch: Batch, number: PhoneNumber, setting: str, reason: str
) -> None:
    recipient = make.recipient(batch)
    calls = claim(number)
    setattr(batch.workspace, setting, 1)
    batch.workspace.min_gap_is_default = setting != "min_gap_minutes"
    batch.workspace.save(update_fields=[setting, "min_gap_is_default"])
    make.call(
        batch.workspace,
        to_number=recipient.phone_number,
        stage=Stage.ENDED,
        outcome="no_answer",
        intent_at=timezone.now() - timedelta(seconds=30),
    )

    pacing_round = commit_intents(calls)

    assert (pacing_round.sends, [job.call.end_reason for job in pacing_round.refused]) == (
        [],
        [reason],
    )


def test_call_with_an_expired_lease_is_not_sent(batch: Batch, number: PhoneNumber) -> None:
    add_recipients(batch, 1)
    calls = claim(number)
    Call.unscoped.update(lease_expires_at=timezone.now() - timedelta(seconds=1))

    assert commit_intents(calls).sends == []


def test_number_that_backs_off_sends_nothing(batch: Batch, number: PhoneNumber) -> None:
    add_recipients(batch, 1)
    NumberPace.unscoped.update(backoff_until=timezone.now() + timedelta(seconds=3))

    pacing_round = commit_intents(claim(number))

    assert (pacing_round.sends, len(pacing_round.waiting)) == ([], 1)


def test_pace_of_the_batch_holds_within_that_of_the_number(
    batch: Batch, number: PhoneNumber
) -> None:
    Batch.unscoped.filter(pk=batch.pk).update(calls_per_second=2)
    add_recipients(batch, 4)

    pacing_round = commit_intents(claim(number))

    assert (len(pacing_round.sends), len(pacing_round.waiting)) == (1, 3)


def test_intent_not_sent_in_time_is_reserved_again(batch: Batch, number: PhoneNumber) -> None:
    add_recipients(batch, 1)
    [(job, _)] = commit_intents(claim(number)).sends

    assert intents.put_back(job, OWNER)
    assert Call.unscoped.get().stage == Stage.RESERVED
    assert not intents.put_back(job, OWNER)


def test_release_does_not_close_calls_with_an_intent(batch: Batch, number: PhoneNumber) -> None:
    add_recipients(batch, 2)
    dialled, waiting = claim(number)
    commit_intents([dialled])

    closed = close_unsent(load_jobs([dialled.pk, waiting.pk]), RELEASED)

    assert [job.call.pk for job in closed] == [waiting.pk]
    dialled.refresh_from_db()
    assert dialled.stage == Stage.INTENT


def test_worker_that_stops_while_it_waits_for_the_lock_claims_nothing(
    batch: Batch, number: PhoneNumber
) -> None:
    add_recipients(batch, 2)

    assert (
        reservation.claim_recipients(number.pk, owner=OWNER, max_calls=10, unless=lambda: True)
        == []
    )
    assert len(claim(number)) == 2


def test_agent_with_unreadable_secrets_calls_no_recipient(
    batch: Batch, number: PhoneNumber
) -> None:
    recipient = make.recipient(batch)
    AgentVersion.unscoped.filter(pk=batch.agent_version_id).update(sealed="ffffffff.lost")

    [call] = claim(number)
    jobs = load_jobs([call.pk])

    call.refresh_from_db()
    assert (jobs, call.stage, call.outcome, call.end_reason) == (
        [],
        Stage.ENDED,
        "cancelled",
        "agent_unreadable",
    )
    settlement.settle_calls()
    recipient.refresh_from_db()
    assert (recipient.status, recipient.attempts) == ("pending", 0)


def test_batch_waits_when_the_daily_quota_of_the_workspace_is_used_up(
    batch: Batch, number: PhoneNumber
) -> None:
    Workspace.unscoped.filter(pk=batch.workspace_id).update(max_calls_per_day=3)
    add_recipients(batch, 5)
    make.call(batch.workspace, stage=Stage.ENDED, dialed_at=timezone.now())

    first, second = claim(number), claim(number)

    assert (len(first), second) == (2, [])
    assert batch.recipients.filter(status="pending", due_at__lte=timezone.now()).count() == 3
