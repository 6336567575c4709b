import threading
from collections.abc import Iterator

import pytest

from batches.importing.read_ahead import ReadAhead


def fail_waiting() -> None:
    raise AssertionError("nothing should have waited")


def test_chunks_arrive_in_order() -> None:
    with ReadAhead(lambda: iter(range(7)), 3) as ahead:
        chunks = list(ahead.chunks(while_waiting=fail_waiting, every_seconds=30))

    assert chunks == [[0, 1, 2], [3, 4, 5], [6]]


def test_error_of_the_reader_arrives_after_complete_chunks() -> None:
    def items() -> Iterator[int]:
        yield from (1, 2, 3)
        raise ValueError("broken off")

    received: list[list[int]] = []
    with ReadAhead(items, 2) as ahead, pytest.raises(ValueError, match="broken off"):
        received.extend(ahead.chunks(while_waiting=fail_waiting, every_seconds=30))

    assert received == [[1, 2]]


def test_callback_runs_while_the_reader_is_slow() -> None:
    waited = threading.Event()

    def items() -> Iterator[int]:
        waited.wait(30)
        yield 1

    with ReadAhead(items, 2) as ahead:
        chunks = list(ahead.chunks(while_waiting=waited.set, every_seconds=0.01))

    assert (chunks, waited.is_set()) == ([[1]], True)


def test_leaving_early_stops_the_reader_and_closes_the_iterator() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from range(1_000_000)
        finally:
            closed.set()

    with ReadAhead(items, 10) as ahead:
        first = next(ahead.chunks(while_waiting=fail_waiting, every_seconds=30))

    assert (first, closed.is_set()) == (list(range(10)), True)
