"""What a doctor's check reports: one line for each thing it examined."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"  # works, but an operator should know
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One line of the report. `fix` tells the operator what to do; it is empty when all is well."""

    name: str
    verdict: Verdict
    description: str
    fix: str = ""

    def __str__(self) -> str:
        line = f"{self.verdict.value:<8}{self.name:<12}{self.description}"
        return f"{line}. Fix: {self.fix}" if self.fix else line


def ok(name: str, description: str) -> Finding:
    return Finding(name, Verdict.OK, description)


def bad(name: str, description: str, fix: str) -> Finding:
    return Finding(name, Verdict.BAD, description, fix)


def warning(name: str, description: str, fix: str) -> Finding:
    return Finding(name, Verdict.WARNING, description, fix)


def join_first(words: Sequence[str], limit: int = 5) -> str:
    """The first `limit` words as an enumeration, and how many more there are."""
    more = f" and {len(words) - limit} more" if len(words) > limit else ""
    return ", ".join(words[:limit]) + more
