"""Which alphabet a text in an older encoding has: all of them have the same bytes for it.

In Western European words a letter beyond ASCII stands alone among others. Where such letters stand
together, the text is in another alphabet, and reading it as Windows-1252 makes every name wrong.
"""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

SAMPLE_BYTES = 1 << 16
MIN_CHARACTERS = 8
MIN_TOGETHER_SHARE = 0.7
MIN_OWN_SHARE = 0.97
MIN_FREQUENT_SHARE = 0.22
FIRST_BEYOND_ASCII = 0x80
_TOGETHER = re.compile(rb"[\x80-\xff]{3,}")


@dataclass(frozen=True, slots=True)
class Alphabet:
    """An encoding of one alphabet, with the bytes of all its letters and of the frequent ones."""

    encoding: str
    name: str
    characters: frozenset[int]
    frequent: frozenset[int]


class Guess(NamedTuple):
    """The encoding to read a text in, None if it is not known, and a remark for the uploader."""

    encoding: str | None
    remark: str


ALPHABETS = (
    Alphabet(
        "cp1251",
        "Windows-1251 (Cyrillic)",
        frozenset(
            [*range(0xC0, 0x100), *b"\xa1\xa2\xa3\xa5\xa8\xaa\xaf\xb2\xb3\xb4\xb8\xba\xbc\xbe\xbf"]
        ),
        frozenset("аеиоАЕИО".encode("cp1251")),
    ),
    Alphabet(
        "cp1253",
        "Windows-1253 (Greek)",
        frozenset([*range(0xC0, 0xFF), *b"\xa2\xb8\xb9\xba\xbc\xbe\xbf"]),
        frozenset("αεηιοΑΕΗΙΟ".encode("cp1253")),
    ),
    Alphabet(
        "cp1255",
        "Windows-1255 (Hebrew)",
        frozenset(range(0xE0, 0xFB)),
        frozenset("אהוילר".encode("cp1255")),
    ),
    Alphabet(
        "cp1256",
        "Windows-1256 (Arabic)",
        frozenset("ءآأؤإئابةتثجحخدذرزسشصضطظعغـفقكلمنهوىيپچژگک".encode("cp1256")),
        frozenset("اليوم".encode("cp1256")),
    ),
)
UNKNOWN = (
    "The letters of this file are in an encoding that is not known here, so that names in it "
    "may be read wrongly: save it as CSV UTF-8 and upload it again"
)


def guess_alphabet(path: Path) -> Guess | None:
    """Return how to read a text that is not UTF-8; None for Western European ones."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    beyond_ascii = Counter(byte for byte in sample if byte >= FIRST_BEYOND_ASCII)
    total = beyond_ascii.total()
    together = sum(map(len, _TOGETHER.findall(sample)))
    if total < MIN_CHARACTERS or together < MIN_TOGETHER_SHARE * total:
        return None

    def share(of: frozenset[int]) -> float:
        return sum(beyond_ascii[byte] for byte in of) / total

    possible = [each for each in ALPHABETS if share(each.characters) >= MIN_OWN_SHARE]
    best = max(possible, key=lambda each: share(each.frequent), default=None)
    if best is None or share(best.frequent) < MIN_FREQUENT_SHARE:
        return Guess(None, UNKNOWN)
    remark = (
        f"The file was read as {best.name}: if names look wrong, save it as CSV UTF-8 and upload "
        "it again"
    )
    return Guess(best.encoding, remark)
