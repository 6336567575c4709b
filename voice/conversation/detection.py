"""Who answered: rules on what is heard in the first seconds, before any model is asked.

A pure calculation: it is given words and activity with their times, and polled for a verdict.
"""

import re
from dataclasses import dataclass

# Seconds.
SILENT_CALLEE_SECONDS = 3.0  # nothing was heard since the answer: the agent speaks
SETTLED_SECONDS = 0.5  # of silence after a short greeting, until a person is believed
LONG_GREETING_SETTLED_SECONDS = 1.2
UNDECIDED_SECONDS = 8.0  # sounds without words for so long: the agent speaks
MAX_GREETING_WORDS = 10

MACHINE = re.compile(
    r"\b(leave (me |us )?(a |your |an? \w+ )?(message|name|number)|after the (tone|beep|signal)"
    r"|at the (tone|beep)|voice ?mail|mailbox|answering machine|record your message"
    r"|(not|un)(?: be)? ?available( right now| to take| at the moment)?$"
    r"|(can('| ?no)t|cannot|unable to|can't) (come to the phone|take your call|answer)"
    r"|(is|are) not available|(you have|you've) reached|get back to you"
    r"|person you (are|have) (calling|called|dialed))",
    re.IGNORECASE,
)
SCREENING = re.compile(
    r"\b((state|record|say|leave) your name and|reason for (your call|calling)"
    r"|(call|google|phone) (screening|assist)|who('s| is) calling and|screen(ing)? (service|your)"
    r"|using a (call )?screen)",
    re.IGNORECASE,
)
MENU = re.compile(r"\b(press (one|two|\d)|for \w+,? press|main menu|say or press)\b", re.IGNORECASE)
ADDRESSED = re.compile(r"\?\s*$|\b(help you|can i help|speaking|how may i)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Verdict:
    """`kind` is human, machine, screened or uncertain; `seconds` count from the answer."""

    kind: str
    reason: str
    seconds: float
    transcript: str

    @property
    def is_menu(self) -> bool:
        """Whether the machine is one that waits for keys, not for a message."""
        return self.reason == "menu"


class Detector:
    """Listens from the answer on. All times are those of one clock, in seconds."""

    def __init__(self, answered_at: float) -> None:
        self.answered_at = answered_at
        self.transcript = ""
        self._is_speaking = False
        self._heard_at: float | None = None

    def hear_words(self, text: str, now: float) -> None:
        """Add what was understood."""
        self.transcript = f"{self.transcript} {text}".strip()
        self._heard_at = now

    def hear_activity(self, *, is_speaking: bool, now: float) -> None:
        """Record that the callee's voice begins or stops."""
        self._is_speaking = is_speaking
        self._heard_at = now

    def quiet_seconds(self, now: float) -> float:
        """Return for how long nothing has been heard."""
        if self._is_speaking:
            return 0.0
        return now - (self.answered_at if self._heard_at is None else self._heard_at)

    def verdict(self, now: float) -> Verdict | None:
        """Return who answered, or None while that is open."""
        found = self._recognise() or self._weigh(now)
        if found is None:
            return None
        kind, reason = found
        return Verdict(kind, reason, round(now - self.answered_at, 3), self.transcript)

    def _recognise(self) -> tuple[str, str] | None:
        for kind, reason, pattern in (
            ("screened", "screening", SCREENING),
            ("machine", "menu", MENU),
            ("machine", "greeting", MACHINE),
        ):
            if pattern.search(self.transcript):
                return kind, reason
        return None

    def _weigh(self, now: float) -> tuple[str, str] | None:
        quiet, since_answer = self.quiet_seconds(now), now - self.answered_at
        if self._heard_at is None:
            return ("uncertain", "silence") if since_answer >= SILENT_CALLEE_SECONDS else None
        if not self.transcript:
            is_late = since_answer >= UNDECIDED_SECONDS or (
                not self._is_speaking and quiet >= SILENT_CALLEE_SECONDS
            )
            return ("uncertain", "no words") if is_late else None
        is_short = len(self.transcript.split()) <= MAX_GREETING_WORDS
        if is_short or ADDRESSED.search(self.transcript):
            return ("human", "short greeting") if quiet >= SETTLED_SECONDS else None
        return ("uncertain", "long greeting") if quiet >= LONG_GREETING_SETTLED_SECONDS else None
