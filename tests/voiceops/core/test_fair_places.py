"""Places that workspaces share: no one's flood leaves another without any."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from voiceops.core.fair_places import FairPlaces


def fill(places: FairPlaces, workspace: str, total: int) -> int:
    """Reserve as many places as the workspace gets; returns how many."""
    count = 0
    while places.try_reserve(workspace, total=total):
        count += 1
    return count


@pytest.mark.parametrize(("total", "expected"), [(1, 1), (2, 1), (4, 2), (5, 3), (32, 16)])
def test_a_workspace_alone_gets_about_half(total: int, expected: int) -> None:
    assert fill(FairPlaces(), "ours", total) == expected


def test_those_that_come_later_find_places() -> None:
    places = FairPlaces()

    held = [fill(places, name, 32) for name in ("first", "second", "third", "fourth", "fifth")]

    assert held == [16, 8, 4, 2, 1]


def test_a_limit_of_each_holds_where_nobody_else_wants_a_place() -> None:
    places = FairPlaces()

    held = [places.try_reserve("ours", total=8, each=1) is not None for _ in range(2)]

    assert held == [True, False]


def test_a_place_is_given_back_once() -> None:
    places = FairPlaces()
    first, _ = (places.try_reserve("ours", total=8) for _ in range(2))
    assert first is not None

    first()
    first()

    assert places.by_workspace == {"ours": 1}


@pytest.mark.parametrize("seed", range(5))
def test_of_floods_that_go_on_each_keeps_a_share(seed: int) -> None:
    dice = Random(seed)  # noqa: S311 - a test, no secret
    places = FairPlaces()
    floods = ["first", "second", "third"]
    held: list[tuple[str, Callable[[], None]]] = []

    for _ in range(2_000):
        for name in dice.sample(floods, 3):
            while give_back := places.try_reserve(name, total=32):
                held.append((name, give_back))
        held.pop(dice.randrange(len(held)))[1]()

    assert places.by_workspace.total() <= 32
    # Of three floods each has at most a quarter for long, and one quarter is left for others.
    assert all(4 <= places.by_workspace[name] <= 12 for name in floods)
    assert fill(places, "a newcomer", 32) >= 1


def test_a_few_wait_for_a_place_and_others_do_not() -> None:
    places = FairPlaces()
    give_back = places.try_reserve("ours", total=8, each=1)
    assert give_back is not None

    def wait_for_place() -> bool:
        waited = places.try_reserve("ours", total=8, each=1, wait_seconds=20, max_waiting=1)
        return waited is not None

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait_for_place)
        while not places.waiting:
            time.sleep(0.01)
        beyond = places.try_reserve("ours", total=8, each=1, wait_seconds=20, max_waiting=1)
        give_back()

        assert (beyond, waiting.result(20)) == (None, True)
    assert places.waiting == 0


def test_who_waits_in_vain_gets_no_place() -> None:
    places = FairPlaces()

    waited = places.try_reserve("ours", total=0, wait_seconds=0.01, max_waiting=1)

    assert (waited, places.waiting, places.by_workspace.total()) == (None, 0, 0)
