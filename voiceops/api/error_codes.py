"""The code of every error, sent as the header `Error-Code` beside the documented body.

The documented sentence of an error is its identity, here as in the body: each app registers those
it raises, with the code, the cause and what to do. `…` in a sentence stands for what varies.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from voiceops.core.extension_points import ExtensionPoint

HEADER = "Error-Code"
VARIABLE_PART = "…"
VALIDATION_FAILED = "validation_failed"


class DocumentedError(NamedTuple):
    """An error as the reference describes it: its code, and one of the bodies it has."""

    code: str
    status: int
    message: str
    cause: str
    fix: str


# The sentences that apps raise, registered in their AppConfig.ready.
ERROR_CATALOGS: ExtensionPoint[Sequence[DocumentedError]] = ExtensionPoint("error catalogs")


def documented_errors() -> list[DocumentedError]:
    """Return every error of every app."""
    return [error for catalog in ERROR_CATALOGS.all() for error in catalog]


def code_of(status: int, message: object) -> str:
    """Return the code of an error; of an unknown sentence that of its status."""
    if status == 422:
        return VALIDATION_FAILED
    found = find_error(str(message))
    return found.code if found else _code_of_status(status)


def find_error(message: str) -> DocumentedError | None:
    """Return the documented error with this sentence."""
    exact, patterns = _index()
    if message in exact:
        return exact[message]
    return next((error for pattern, error in patterns if pattern.fullmatch(message)), None)


@cache
def _index() -> tuple[dict[str, DocumentedError], list[tuple[re.Pattern[str], DocumentedError]]]:
    exact, patterns = {}, []
    for error in documented_errors():
        if VARIABLE_PART not in error.message:
            exact[error.message] = error
            continue
        parts = map(re.escape, error.message.split(VARIABLE_PART))
        patterns.append((re.compile(".+".join(parts), re.DOTALL), error))
    return exact, patterns


@cache
def _code_of_status(status: int) -> str:
    general = {error.status: error.code for error in reversed(ERROR_CATALOGS.all()[0])}
    return general.get(status, "internal_error" if status >= 500 else "bad_request")
