import threading
from collections.abc import Iterator

import pytest

from batches.importing.read_ahead import ReadAhead


def nobody_waits() -> None:
    raise AssertionError("nobody should have waited")


def test_chunks_come_in_order_and_the_last_is_short() -> None:
    with ReadAhead(lambda: iter(range(7)), 3) as ahead:
        chunks = list(ahead.chunks(while_waiting=nobody_waits, every_seconds=30))

    assert chunks == [[0, 1, 2], [3, 4, 5], [6]]


def test_what_the_reader_raises_arrives_behind_the_whole_chunks() -> None:
    def items() -> Iterator[int]:
        yield from (1, 2, 3)
        raise ValueError("broken off")

    got: list[list[int]] = []
    with ReadAhead(items, 2) as ahead, pytest.raises(ValueError, match="broken off"):
        got.extend(ahead.chunks(while_waiting=nobody_waits, every_seconds=30))

    assert got == [[1, 2]]


def test_something_else_is_done_while_the_reader_is_slow() -> None:
    waited = threading.Event()

    def items() -> Iterator[int]:
        waited.wait(30)
        yield 1

    with ReadAhead(items, 2) as ahead:
        chunks = list(ahead.chunks(while_waiting=waited.set, every_seconds=0.01))

    assert (chunks, waited.is_set()) == ([[1]], True)


def test_leaving_early_ends_the_reader_and_closes_what_it_read() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from range(1_000_000)
        finally:
            closed.set()

    with ReadAhead(items, 10) as ahead:
        first = next(ahead.chunks(while_waiting=nobody_waits, every_seconds=30))

    assert (first, closed.is_set()) == (list(range(10)), True)
