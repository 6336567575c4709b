"""Which numbers have been seen, in memory that does not grow with their count."""

from collections.abc import Iterable

_SLOTS = 1 << 24
_MASK = _SLOTS - 1


class Seen:
    """A set of texts that may say yes wrongly (1 in 30 on average over a million), never no.

    16 MB whatever goes in; whoever gets a yes asks the database. One byte a slot: a bit array would cost a shift and
    a mask for every row to save memory nobody misses.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._slots = bytearray()
        self.add(texts)

    def add(self, texts: Iterable[str]) -> None:
        slots = self._slots
        for text in texts:
            if not slots:
                slots.extend(bytes(_SLOTS))
            slots[hash(text) & _MASK] = 1

    def maybe(self, texts: Iterable[str]) -> list[str]:
        """Those that may have been seen."""
        slots = self._slots
        if not slots:
            return []
        return [text for text in texts if slots[hash(text) & _MASK]]
