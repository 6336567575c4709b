"""A set of phone numbers that stays small while a list of a million is imported.

In memory, because asking the database is slow: while a list is being stored, PostgreSQL has no
statistics of its rows, and the planner rates every index on the batch as good as the one on the
number (measured: five times the cost of the whole import).
"""

from collections.abc import Iterable

from pyroaring import BitMap64


class PhoneNumberSet:
    """A set of E.164 numbers, as a compressed bitmap of their digits.

    A million numbers of one country take 4 to 10 MB, scattered over the whole world at most 70 MB.
    """

    def __init__(self, numbers: Iterable[str] = ()) -> None:
        self._digits = BitMap64(map(int, numbers))

    def __len__(self) -> int:
        return len(self._digits)

    def __contains__(self, number: str) -> bool:
        return int(number) in self._digits

    def add(self, numbers: Iterable[str]) -> list[bool]:
        """Add the numbers. Returns for each whether it was new, also within `numbers`."""
        # A loop, because two equal numbers within `numbers` must not both be new.
        digits = self._digits
        is_new: list[bool] = []
        for value in map(int, numbers):
            # Two calls into C, which is faster than comparing the set's length before and after.
            new = value not in digits
            if new:
                digits.add(value)
            is_new.append(new)
        return is_new
