"""When a recipient is called again, by the batch's retry settings."""

from datetime import UTC, datetime, timedelta

import pytest

from batches.dialing.retry_policy import retry_at

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
RETRY = {"max_attempts": 4, "delay_minutes": [5, 60], "outcomes": ["busy", "no_answer"]}


@pytest.mark.parametrize(("attempts", "minutes"), [(1, 5), (2, 60), (3, 60)])
def test_delays_are_used_in_order_and_the_last_one_repeats(attempts: int, minutes: int) -> None:
    at = retry_at(retry=RETRY, attempts=attempts, outcome="busy", now=NOW)

    assert at == NOW + timedelta(minutes=minutes)


def test_no_retry_follows_the_last_attempt() -> None:
    assert retry_at(retry=RETRY, attempts=4, outcome="busy", now=NOW) is None


def test_outcome_that_is_not_listed_is_not_retried() -> None:
    assert retry_at(retry=RETRY, attempts=1, outcome="voicemail", now=NOW) is None


@pytest.mark.parametrize(
    "outcome", ["invalid_number", "declined", "blocked", "answered", "cancelled", "unknown"]
)
def test_wrong_numbers_and_refusals_are_not_retried_even_when_listed(outcome: str) -> None:
    retry = RETRY | {
        "outcomes": ["invalid_number", "declined", "blocked", "answered", "cancelled", "unknown"]
    }

    assert retry_at(retry=retry, attempts=1, outcome=outcome, now=NOW) is None


def test_outcome_may_have_its_own_delays() -> None:
    retry = RETRY | {"by_outcome": {"busy": [2, 10]}}

    busy = [
        retry_at(retry=retry, attempts=attempts, outcome="busy", now=NOW) for attempts in (1, 2, 3)
    ]
    no_answer = retry_at(retry=retry, attempts=1, outcome="no_answer", now=NOW)

    assert busy == [NOW + timedelta(minutes=minutes) for minutes in (2, 10, 10)]
    assert no_answer == NOW + timedelta(minutes=5)


def test_some_retries_wait_a_day_and_come_at_another_time_of_day() -> None:
    retry = RETRY | {"max_attempts": 5, "next_day": {"after_attempts": 2, "shift_hours": 3}}

    later = [
        retry_at(retry=retry, attempts=attempts, outcome="busy", now=NOW)
        for attempts in (1, 2, 3, 4, 5)
    ]

    tomorrow = NOW + timedelta(days=1, hours=3)
    assert later == [
        NOW + timedelta(minutes=5),
        tomorrow,
        NOW + timedelta(minutes=60),
        tomorrow,
        None,
    ]
