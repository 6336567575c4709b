"""Processes of the web server know how many connections the others hold."""

import os
import time

import pytest

from ops.serving.connection_counts import FRESH_SECONDS, NO_PROCESS, ConnectionCounts


def test_a_process_that_holds_more_knows_of_one_that_holds_fewer() -> None:
    counts = ConnectionCounts()
    counts.set(1, 5)
    counts.set(2, 4)

    assert counts.has_fewer(5, besides=1)
    assert not counts.has_fewer(4, besides=2)


def test_a_process_alone_or_among_equals_yields_to_no_other() -> None:
    counts = ConnectionCounts()
    counts.set(1, 5)

    assert not counts.has_fewer(5, besides=1)
    counts.set(2, 5)
    assert not counts.has_fewer(5, besides=1)


def test_a_process_that_has_ended_does_not_count() -> None:
    counts = ConnectionCounts()
    counts.set(2, 0)
    counts.set(2, NO_PROCESS)

    assert not counts.has_fewer(5, besides=1)


def test_a_process_that_was_killed_does_not_count_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = ConnectionCounts()
    counts.set(2, 0)
    later = time.monotonic() + FRESH_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)

    assert not counts.has_fewer(5, besides=1)


def test_a_count_of_one_process_is_seen_in_another() -> None:
    counts = ConnectionCounts()
    child = os.fork()
    if not child:
        counts.set(2, 1)
        os._exit(0)
    os.waitpid(child, 0)

    assert counts.has_fewer(5, besides=1)
