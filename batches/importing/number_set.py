"""Which numbers have been seen: exact, in 16 to 32 bytes a number, where a set of texts takes 150."""

from array import array
from collections.abc import Iterable, Iterator
from itertools import islice

_SMALLEST = 1 << 12
_AT_ONCE = 1 << 11
_ODD = 40503  # 2**16 / golden ratio: neighbours land far apart (Knuth, TAOCP 6.4)


class PhoneNumberSet:
    """A set of E.164 numbers: open addressing with linear probing in one array of 64-bit integers.

    In memory, because the database cannot be asked: while a list is being stored PostgreSQL knows
    nothing yet about the rows of its batch, and takes any index on the batch for as good as the one
    on the number (measured: five times the cost of the whole import).
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._slots = array("Q", bytes(8 * _SMALLEST))
        self._count = 0
        for _ in self.add(texts):
            pass

    def __len__(self) -> int:
        return self._count

    def __contains__(self, text: str) -> bool:
        number, slots = int(text), self._slots
        mask = len(slots) - 1
        slot = number * _ODD & mask
        while (held := slots[slot]) and held != number:
            slot = slot + 1 & mask
        return held != 0

    def add(self, texts: Iterable[str]) -> Iterator[bool]:
        """For each number in turn whether it is new. It is in the set once its answer has been
        taken.
        """
        rest = iter(texts)
        while some := list(map(int, islice(rest, _AT_ONCE))):
            self._make_room(len(some))
            slots = self._slots
            mask = len(slots) - 1
            for number in some:
                slot = number * _ODD & mask
                while (held := slots[slot]) and held != number:
                    slot = slot + 1 & mask
                if held:
                    yield False
                else:
                    slots[slot] = number
                    self._count += 1
                    yield True

    def _make_room(self, more: int) -> None:
        """Keep the array at most half full: chains of neighbours stay short."""
        if 2 * (self._count + more) <= len(self._slots):
            return
        earlier = self._slots
        slots = array("Q", bytes(16 * len(earlier)))
        mask = len(slots) - 1
        for number in filter(None, earlier):
            slot = number * _ODD & mask
            while slots[slot]:
                slot = slot + 1 & mask
            slots[slot] = number
        self._slots = slots
