from datetime import UTC, datetime, timedelta

import pytest

from batches.dialing.retry_policy import retry_at

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
RETRY = {"max_attempts": 4, "delay_minutes": [5, 60], "outcomes": ["busy", "no_answer"]}


@pytest.mark.parametrize(("attempts", "minutes"), [(1, 5), (2, 60), (3, 60)])
def test_the_ladder_is_climbed_and_its_last_step_repeats(attempts: int, minutes: int) -> None:
    at = retry_at(retry=RETRY, attempts=attempts, outcome="busy", now=NOW)

    assert at == NOW + timedelta(minutes=minutes)


def test_after_the_last_attempt_nobody_is_called_again() -> None:
    assert retry_at(retry=RETRY, attempts=4, outcome="busy", now=NOW) is None


def test_an_outcome_that_was_not_chosen_is_final() -> None:
    assert retry_at(retry=RETRY, attempts=1, outcome="voicemail", now=NOW) is None


@pytest.mark.parametrize(
    "outcome", ["invalid_number", "declined", "blocked", "answered", "cancelled", "unknown"]
)
def test_a_wrong_number_and_a_no_are_final_even_when_chosen(outcome: str) -> None:
    retry = RETRY | {
        "outcomes": ["invalid_number", "declined", "blocked", "answered", "cancelled", "unknown"]
    }

    assert retry_at(retry=retry, attempts=1, outcome=outcome, now=NOW) is None


def test_an_outcome_may_have_a_ladder_of_its_own() -> None:
    retry = RETRY | {"by_outcome": {"busy": [2, 10]}}

    busy = [
        retry_at(retry=retry, attempts=attempts, outcome="busy", now=NOW) for attempts in (1, 2, 3)
    ]
    silent = retry_at(retry=retry, attempts=1, outcome="no_answer", now=NOW)

    assert busy == [NOW + timedelta(minutes=minutes) for minutes in (2, 10, 10)]
    assert silent == NOW + timedelta(minutes=5)


def test_after_some_attempts_a_day_passes_and_the_time_of_day_changes() -> None:
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
