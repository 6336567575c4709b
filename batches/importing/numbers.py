"""Which numbers have been seen: exact, in 16 to 32 bytes a number, where a set of texts takes 150."""

from array import array
from collections.abc import Iterable

_SMALLEST = 1 << 12
_SPREAD = 0x9E3779B97F4A7C15  # 2**64 / golden ratio: neighbours land far apart (Knuth, TAOCP 6.4)
_WORD = (1 << 64) - 1


class Numbers:
    """A set of E.164 numbers: open addressing with linear probing in one array of 64-bit integers.

    In memory, because the database cannot be asked: while a list is being stored PostgreSQL knows nothing yet about
    the rows of its batch, and takes any index on the batch for as good as the one on the number (measured: five times
    the cost of the whole import).
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._resize(_SMALLEST)
        self._count = 0
        for text in texts:
            self.add(text)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, text: str) -> bool:
        return self._slots[self._find(int(text))] != 0

    def add(self, text: str) -> bool:
        """Whether the number is new."""
        number = int(text)
        slot = self._find(number)
        if self._slots[slot]:
            return False
        self._slots[slot] = number
        self._count += 1
        if 2 * self._count > len(self._slots):
            self._grow()
        return True

    def _find(self, number: int) -> int:
        """The slot that holds the number, or the empty one where it belongs."""
        slots, mask = self._slots, self._mask
        slot = ((number * _SPREAD) & _WORD) >> self._shift
        while (held := slots[slot]) and held != number:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        earlier = self._slots
        self._resize(2 * len(earlier))
        for number in earlier:
            if number:
                self._slots[self._find(number)] = number

    def _resize(self, size: int) -> None:
        self._slots = array("Q", bytes(8 * size))
        self._mask = size - 1
        self._shift = 64 - self._mask.bit_length()
