"""What is sent, and when it is sent again. Shared by both transports, which do the sending."""

import email.utils
import json
import random
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import httpx

from voiceops.errors import error_of

# Answers of a server or proxy that is busy or restarting. Everything else is a decision.
PASSING_STATUSES = frozenset({429, 502, 503, 504})
# The first of two requests with the same key is still running: its answer can be had in a moment.
IN_PROGRESS_CODE = "request_in_progress"
FIRST_PAUSE_SECONDS = 0.5
FORM_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class File:
    """A file to upload: its name and its content."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the API, sent as often as it needs. `body` travels as JSON, or, with a `file`,
    as a form whose nested fields are JSON.
    """

    method: str
    path: str
    query: Mapping[str, object] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    file: File | None = None
    idempotency_key: str | None = None
    accept: str = "application/json"

    def arguments(self) -> dict[str, Any]:
        """Return what httpx sends, the same for every attempt: a POST has one key for all."""
        headers = {"Accept": self.accept}
        if self.method == "POST":
            headers["Idempotency-Key"] = self.idempotency_key or str(uuid.uuid4())
        query = {_outer_name(name): _text_of(value) for name, value in _given(self.query).items()}
        arguments: dict[str, Any] = {
            "method": self.method,
            "url": self.path,
            "params": query,
            "headers": headers,
        }
        if self.file is not None:
            fields = _given(self.body or {})
            arguments["data"] = {
                _outer_name(name): _text_of(value) for name, value in fields.items()
            }
            arguments["files"] = {"file": (self.file.name, self.file.content)}
            arguments["timeout"] = FORM_TIMEOUT_SECONDS
        elif self.body is not None:
            body = {_outer_name(name): value for name, value in self.body.items()}
            arguments["content"] = json.dumps(body, default=_plain).encode()
            headers["Content-Type"] = "application/json"
        return arguments


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request is sent again, and how long is waited before.

    A POST carries an `Idempotency-Key`, so that sending it again cannot do it twice.
    """

    retries: int = 4
    longest_pause_seconds: float = 60.0

    def pause_before_retry(self, attempt: int, response: httpx.Response | None) -> float | None:
        """Return the seconds to wait after the attempt (counted from 0), or None to give up.

        `response` is None when there was no answer.
        """
        if attempt >= self.retries:
            return None
        if response is not None and not _is_passing(response, attempt):
            return None
        asked = _retry_after(response)
        if asked is None:
            # Half of it is random, so that clients that failed together do not return together.
            pause = FIRST_PAUSE_SECONDS * 2.0**attempt * (0.5 + random.random() / 2)  # noqa: S311
            return min(pause, self.longest_pause_seconds)
        return asked if asked <= self.longest_pause_seconds else None


def checked(response: httpx.Response) -> httpx.Response:
    """Return the response. Raises ApiError when it is a refusal."""
    if response.is_success:
        return response
    raise error_of(response)


def _is_passing(response: httpx.Response, attempt: int) -> bool:
    if response.status_code in PASSING_STATUSES:
        return True
    return attempt > 0 and response.headers.get("Error-Code") == IN_PROGRESS_CODE


def _retry_after(response: httpx.Response | None) -> float | None:
    """Return what `Retry-After` asks for, in seconds: a number, or a date."""
    value: str = response.headers.get("Retry-After", "") if response is not None else ""
    if value.isdigit():
        return float(value)
    try:
        moment: float = email.utils.parsedate_to_datetime(value).timestamp()
        return max(0.0, moment - time.time())
    except ValueError:
        return None


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _outer_name(name: str) -> str:
    """Return the name as the API has it: `from_` is `from`, which Python reserves."""
    return name.rstrip("_")


def _text_of(value: object) -> str:
    """Return a value as a query or a form carries it."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    return json.dumps(value, default=_plain)


def _plain(value: object) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be sent to the API")
