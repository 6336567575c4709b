from datetime import UTC, datetime, timedelta

import pytest

from batches.retries import retry_at

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


@pytest.mark.parametrize("outcome", ["invalid_number", "declined", "blocked", "answered", "cancelled", "unknown"])
def test_a_wrong_number_and_a_no_are_final_even_when_chosen(outcome: str) -> None:
    retry = RETRY | {"outcomes": ["invalid_number", "declined", "blocked", "answered", "cancelled", "unknown"]}

    assert retry_at(retry=retry, attempts=1, outcome=outcome, now=NOW) is None
