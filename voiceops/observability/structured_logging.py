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

from voiceops.core.pii import mask_number

_told: ContextVar[dict[str, str] | None] = ContextVar("told", default=None)
PHONE = re.compile(r"\+[1-9]\d{6,14}\b")
SECRETS = re.compile(
    r"(?P<email>[\w.+-]+@(?=[\w-]+\.[\w.-]+))"
    r"|vo_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}"
    r"|whsec_[A-Za-z0-9+/=]{20,}"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a JWT
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user and password of an address
)


@contextmanager
def log_context(**facts: str) -> Iterator[None]:
    """Lines written inside the block carry these facts, and what `tell` adds to them."""
    token = _told.set(facts)
    try:
        yield
    finally:
        _told.reset(token)


def bind(**facts: str) -> None:
    """Add to what the lines of this request carry; outside of one, nothing."""
    if (told := _told.get()) is not None:
        told.update(facts)


def current() -> dict[str, str]:
    """What the lines of this request carry."""
    return dict(_told.get() or {})


def scrubbed(text: str) -> str:
    """The text without phone numbers, names of mailboxes, keys, tokens and passwords in addresses."""
    text = SECRETS.sub(lambda found: "•••@" if found["email"] else "•••", text)
    return PHONE.sub(lambda found: mask_number(found[0]), text)


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": scrubbed(record.getMessage()),
            **getattr(record, "facts", {}),
            **current(),
        }
        if record.exc_info:
            line["exception"] = scrubbed(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class PlainLines(logging.Formatter):
    """For people at a terminal. A line stays a line, whatever stands in it."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, tz=UTC).strftime("%H:%M:%S")
        message = scrubbed(record.getMessage()).replace("\r", "\\r").replace("\n", "\\n")
        traceback = (
            f"\n{scrubbed(self.formatException(record.exc_info))}" if record.exc_info else ""
        )
        return f"{when} {record.levelname} {record.name} {message}{traceback}"
