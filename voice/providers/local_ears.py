"""The local ears: pocketsphinx among known phrases; no key, no network.

A grammar of the phrases that may be heard makes recognition exact and cheap (0.015 s of CPU for a
second of speech). What is not among them is heard as the nearest phrase, or not at all.
"""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from voice.providers.errors import ProviderError
from voice.providers.local_stt import UtteranceSTT
from voice.providers.sound import HEARING_RATE, Samples, resample

# The decoder is one utterance's at a time.
EARS_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-ears")
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
        self._grammar = _grammar_of(list(self._phrases))

    async def recognize(self, samples: Samples, rate: int) -> str:
        """Return the phrase that was said, or an empty text."""
        loop = asyncio.get_running_loop()
        heard = resample(samples, rate, HEARING_RATE)
        return await loop.run_in_executor(EARS_THREAD, self._recognize, heard)

    def _recognize(self, samples: Samples) -> str:
        decoder = load_decoder()
        decoder.activate_search(_add_grammar(self._grammar))
        decoder.start_utt()
        decoder.process_raw(samples.astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
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


@cache
def load_decoder() -> Any:
    """Return the recogniser, loaded once in a process: its dictionary takes half a second.

    Raises ProviderError without the package.
    """
    try:
        from pocketsphinx import Decoder  # noqa: PLC0415  # optional, and slow to load
    except ImportError as error:
        raise ProviderError("The local ears need the package pocketsphinx") from error
    return Decoder(lm=None, loglevel="FATAL")


@cache
def _add_grammar(grammar: str) -> str:
    """Give the recogniser a grammar once, and return the name by which it knows it."""
    name = hashlib.sha256(grammar.encode()).hexdigest()
    load_decoder().add_jsgf_string(name, grammar)
    return name


def _grammar_of(phrases: Sequence[str]) -> str:
    """Return a grammar of the phrases whose words are all known.

    Raises ProviderError without the package, or when there is none.
    """
    decoder = load_decoder()
    lines = [
        phrase
        for phrase in phrases
        if all(decoder.lookup_word(word) is not None for word in phrase.split())
    ]
    if not lines:
        raise ProviderError("The local ears need `stt.phrases`: what the callee may say")
    return f"#JSGF V1.0;\ngrammar phrases;\npublic <phrase> = {' | '.join(lines)};\n"
