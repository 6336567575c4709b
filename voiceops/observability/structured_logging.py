"""Log entries: one JSON object per line, with the request and the principal they belong to.

Phone numbers, e-mail addresses and credentials are masked here, whichever code logs them, because
an exception may quote a row.
"""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from voiceops.core.pii import mask_numbers_in

_context: ContextVar[dict[str, str] | None] = ContextVar("log_context", default=None)
SECRETS_PATTERN = re.compile(
    r"(?P<email>[\w.+-]+@(?=[\w-]+\.[\w.-]+))"
    r"|vo_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}"  # an API key
    r"|whsec_[A-Za-z0-9+/=]{20,}"  # the secret of a webhook
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a JWT
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user and password in a URL
)


# Every secret contains one of these. Looking for them costs a tenth of the pattern.
SECRET_MARKS = ("@", "vo_", "whsec_", "eyJ", "://")
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode  # made once, not for each entry


@contextmanager
def log_context(**fields: str) -> Iterator[None]:
    """Add fields to every log entry written inside the block. `bind` adds more."""
    # A context variable: threads and asyncio tasks each have their own.
    token = _context.set(fields)
    try:
        yield
    finally:
        _context.reset(token)


def bind(**fields: str) -> None:
    """Add fields to the current log context. Without one, do nothing."""
    if (context := _context.get()) is not None:
        context.update(fields)


def current_context() -> dict[str, str]:
    """Return the fields of the current log context."""
    return dict(_context.get() or {})


def scrub(text: str) -> str:
    """Return the text with phone numbers, mailbox names, keys, tokens and passwords masked."""
    if any(mark in text for mark in SECRET_MARKS):
        text = SECRETS_PATTERN.sub(lambda match: "•••@" if match["email"] else "•••", text)
    return mask_numbers_in(text)


class JsonFormatter(logging.Formatter):
    """One JSON object per entry, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": scrub(record.getMessage()),
            **getattr(record, "facts", {}),
            **current_context(),
        }
        if record.exc_info:
            entry["exception"] = scrub(self.formatException(record.exc_info))
        return _encode(entry)


class PlainFormatter(logging.Formatter):
    """One line per entry, for terminals. Line breaks in a message are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, tz=UTC).strftime("%H:%M:%S")
        message = scrub(record.getMessage()).replace("\r", "\\r").replace("\n", "\\n")
        line = f"{at} {record.levelname} {record.name} {message}"
        if not record.exc_info:
            return line
        return f"{line}\n{scrub(self.formatException(record.exc_info))}"
