"""The local ears: pocketsphinx among known phrases; no key, no network.

A grammar of the phrases that may be heard makes recognition exact and cheap (0.015 s of CPU for a
second of speech). What is not among them is heard as the nearest phrase, or not at all.
"""

import asyncio
import re
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from voice.providers.errors import ProviderError
from voice.providers.local_stt import UtteranceSTT
from voice.providers.sound import HEARING_RATE, Samples, resample

SPOKEN_WORD = re.compile(r"[a-z']+|\d+")
DIGIT_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SMALL_NUMBERS = (
    *DIGIT_WORDS,
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen"),
    *("sixteen", "seventeen", "eighteen", "nineteen"),
)


class LocalSTT(UtteranceSTT):
    """Recognises the phrases given."""

    def __init__(self, *, phrases: Sequence[str], language: str = "en-US") -> None:
        super().__init__(language=language)
        self.ears = PhraseRecognizer(phrases)

    @property
    def model(self) -> str:
        return "pocketsphinx"

    async def recognize_samples(self, samples: Samples, rate: int) -> str:
        """Return the phrase that was said, or an empty text."""
        return await self.ears.recognize(samples, rate)


class PhraseRecognizer:
    """Hears which of some phrases was said, and returns it as it was written."""

    def __init__(self, phrases: Sequence[str]) -> None:
        """Raises ProviderError without the package, or when no phrase can be recognised."""
        self._phrases = {spoken_form(phrase): phrase for phrase in phrases if spoken_form(phrase)}
        self._decoder = _load_decoder(list(self._phrases))
        # The decoder is one utterance's at a time.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-ears")

    async def recognize(self, samples: Samples, rate: int) -> str:
        """Return the phrase that was said, or an empty text."""
        loop = asyncio.get_running_loop()
        heard = resample(samples, rate, HEARING_RATE)
        return await loop.run_in_executor(self._thread, self._recognize, heard)

    def _recognize(self, samples: Samples) -> str:
        self._decoder.start_utt()
        self._decoder.process_raw(samples.astype("<i2").tobytes(), full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        return self._nearest_phrase(found.hypstr) if found is not None else ""

    def _nearest_phrase(self, heard: str) -> str:
        """Return the phrase of which a part was recognised, or what was heard if none is near."""
        if heard in self._phrases:
            return self._phrases[heard]
        words = heard.split()
        errors = {spoken: word_errors(spoken.split(), words) for spoken in self._phrases}
        nearest = min(errors, key=lambda spoken: (errors[spoken], len(spoken)))
        return self._phrases[nearest] if errors[nearest] * 2 <= len(words) else heard


def word_errors(expected: Sequence[str], heard: Sequence[str]) -> int:
    """Return the smallest number of words that were added, lost or replaced."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(expected, start=1):
        diagonal, row[0] = row[0], number
        for position, other in enumerate(heard, start=1):
            cost = min(row[position] + 1, row[position - 1] + 1, diagonal + (word != other))
            diagonal, row[position] = row[position], cost
    return row[-1]


def spoken_form(text: str) -> str:
    """Return a text as it is pronounced: in lower case, with numbers as words, without marks."""
    words: list[str] = []
    for word in SPOKEN_WORD.findall(text.lower().replace("\u2019", "'")):
        words.extend(_number_words(word) if word.isdigit() else [word])
    return " ".join(words)


def _number_words(digits: str) -> list[str]:
    if len(digits) <= 2 and int(digits) < len(SMALL_NUMBERS):
        return [SMALL_NUMBERS[int(digits)]]
    return [DIGIT_WORDS[int(digit)] for digit in digits]


def _load_decoder(phrases: Sequence[str]) -> Any:
    """Raises ProviderError without the package, or when none of the phrases is pronounceable."""
    try:
        from pocketsphinx import Decoder  # noqa: PLC0415  # optional
    except ImportError as error:
        raise ProviderError("The local ears need the package pocketsphinx") from error
    known = _known_words(Decoder(lm=None, loglevel="FATAL"), phrases)
    lines = [phrase for phrase in phrases if known.issuperset(phrase.split())]
    if not lines:
        raise ProviderError("The local ears need `stt.phrases`: what the callee may say")
    grammar = f"#JSGF V1.0;\ngrammar phrases;\npublic <phrase> = {' | '.join(lines)};\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phrases.gram"
        path.write_text(grammar)
        return Decoder(jsgf=str(path), lm=None, loglevel="FATAL")


def _known_words(decoder: Any, phrases: Sequence[str]) -> set[str]:
    words = {word for phrase in phrases for word in phrase.split()}
    return {word for word in words if decoder.lookup_word(word) is not None}
