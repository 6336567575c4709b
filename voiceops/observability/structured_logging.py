"""Logs: one JSON object a line, with who asked for it and without whom it is about.

Numbers, addresses and credentials are made unreadable here, whoever wrote the line: an exception
may quote a row.
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

_context: ContextVar[dict[str, str] | None] = ContextVar("told", default=None)
SECRETS_PATTERN = re.compile(
    r"(?P<email>[\w.+-]+@(?=[\w-]+\.[\w.-]+))"
    r"|vo_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}"
    r"|whsec_[A-Za-z0-9+/=]{20,}"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a JWT
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user and password of an address
)


@contextmanager
def log_context(**fields: str) -> Iterator[None]:
    """Lines written inside the block carry these facts, and what `tell` adds to them."""
    token = _context.set(fields)
    try:
        yield
    finally:
        _context.reset(token)


def bind(**fields: str) -> None:
    """Add to what the lines of this request carry; outside of one, nothing."""
    if (told := _context.get()) is not None:
        told.update(fields)


def current_context() -> dict[str, str]:
    """What the lines of this request carry."""
    return dict(_context.get() or {})


def scrub(text: str) -> str:
    """The text without phone numbers, names of mailboxes, keys, tokens and passwords in addresses."""
    text = SECRETS_PATTERN.sub(lambda found: "•••@" if found["email"] else "•••", text)
    return mask_numbers_in(text)


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": scrub(record.getMessage()),
            **getattr(record, "facts", {}),
            **current_context(),
        }
        if record.exc_info:
            line["exception"] = scrub(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class PlainFormatter(logging.Formatter):
    """For people at a terminal. A line stays a line, whatever stands in it."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, tz=UTC).strftime("%H:%M:%S")
        message = scrub(record.getMessage()).replace("\r", "\\r").replace("\n", "\\n")
        traceback = f"\n{scrub(self.formatException(record.exc_info))}" if record.exc_info else ""
        return f"{when} {record.levelname} {record.name} {message}{traceback}"
