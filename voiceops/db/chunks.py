"""Splits long lists of values over several SQL statements."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

# SQLite allows 32,766 parameters in a statement: six columns of 5,000 rows fit.
STATEMENT_CHUNK_VALUES = 5_000


def chunked(values: Sequence[T], max_values: int = STATEMENT_CHUNK_VALUES) -> Iterator[Sequence[T]]:
    """Yield the values in order, in slices of at most `max_values`; nothing for no values."""
    for start in range(0, len(values), max_values):
        yield values[start : start + max_values]
