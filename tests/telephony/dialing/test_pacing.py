"""The arithmetic of calls per second."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from telephony.dialing.pacing import calls_ahead, choose_slot, occupy_slot, slot_interval
from telephony.models import NumberPace, PhoneNumber

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def pace(calls_per_second: float = 20, **fields: datetime) -> NumberPace:
    return NumberPace(number=PhoneNumber(calls_per_second=calls_per_second), **fields)


@pytest.mark.parametrize(
    ("calls_per_second", "milliseconds"), [(0.5, 2083.333), (1, 1041.667), (20, 52.083)]
)
def test_slots_use_96_percent_of_the_rate(calls_per_second: float, milliseconds: float) -> None:
    interval = slot_interval(calls_per_second)

    assert interval / timedelta(milliseconds=1) == pytest.approx(milliseconds, abs=0.001)


def test_first_slot_of_a_number_is_now() -> None:
    assert choose_slot(pace(), now=NOW) == NOW


def test_next_slot_of_the_pace_is_kept() -> None:
    next_slot = NOW + timedelta(milliseconds=30)

    assert choose_slot(pace(next_slot_at=next_slot), now=NOW) == next_slot


def test_unused_slots_are_not_made_up_for() -> None:
    assert choose_slot(pace(next_slot_at=NOW - 10 * SECOND), now=NOW) == NOW


def test_back_off_delays_the_slot() -> None:
    delayed = pace(next_slot_at=NOW, backoff_until=NOW + 3 * SECOND)

    assert choose_slot(delayed, now=NOW) == NOW + 3 * SECOND


def test_back_off_that_is_over_delays_nothing() -> None:
    assert choose_slot(pace(backoff_until=NOW - SECOND), now=NOW) == NOW


def test_own_pace_of_the_batch_delays_the_slot() -> None:
    assert choose_slot(pace(), now=NOW, not_before=NOW + SECOND) == NOW + SECOND


def test_latest_bound_decides() -> None:
    bounded = pace(next_slot_at=NOW + SECOND, backoff_until=NOW + 2 * SECOND)

    assert choose_slot(bounded, now=NOW, not_before=NOW + 3 * SECOND) == NOW + 3 * SECOND
    assert choose_slot(bounded, now=NOW, not_before=NOW) == NOW + 2 * SECOND


def test_slot_is_free_until_it_is_occupied() -> None:
    free = pace()

    assert choose_slot(free, now=NOW) == choose_slot(free, now=NOW)


def test_occupied_slot_moves_the_next_one_behind_it() -> None:
    used = pace(calls_per_second=1)

    occupy_slot(used, NOW + SECOND)

    assert choose_slot(used, now=NOW) == NOW + SECOND + slot_interval(1)


def test_calls_after_a_back_off_keep_the_pace() -> None:
    delayed = pace(calls_per_second=10, backoff_until=NOW + 5 * SECOND)

    slots = [use_next_slot(delayed) for _ in range(3)]

    assert slots[0] == NOW + 5 * SECOND
    assert {after - before for before, after in pairwise(slots)} == {slot_interval(10)}


@pytest.mark.parametrize("calls_per_second", [1, 7, 20, 50])
def test_no_window_of_a_second_holds_more_than_the_rate(calls_per_second: int) -> None:
    used = pace(calls_per_second=calls_per_second)

    slots = [use_next_slot(used) for _ in range(4 * calls_per_second)]

    windows = [sum(first <= slot < first + SECOND for slot in slots) for first in slots]
    assert 0.96 * calls_per_second <= max(windows) <= calls_per_second


def use_next_slot(of: NumberPace) -> datetime:
    slot = choose_slot(of, now=NOW)
    occupy_slot(of, slot)
    return slot


@pytest.mark.parametrize(("calls_per_second", "calls"), [(0.1, 2), (1, 2), (1.2, 3), (20, 40)])
def test_two_seconds_of_the_pace_are_reserved_ahead(calls_per_second: float, calls: int) -> None:
    assert calls_ahead(calls_per_second) == calls
