"""What a request can fail with. Every class is a VoiceOpsError."""

from collections.abc import Mapping
from typing import Any

import httpx


class VoiceOpsError(Exception):
    """Base of everything that this package raises on purpose."""


class ConnectionFailed(VoiceOpsError):
    """The server could not be reached, or did not answer, in spite of retries."""


class SignatureInvalid(VoiceOpsError):
    """A webhook was not signed with the secret, or is too old."""


class NotUnique(VoiceOpsError):
    """Several objects have the name that one was looked up by."""


class NotListed(VoiceOpsError):
    """No object of `group`, e.g. `agents`, has the name that one was looked up by."""

    def __init__(self, what: str, group: str) -> None:
        self.group = group
        super().__init__(f"There is no {what}")


class FieldAbsent(VoiceOpsError, AttributeError):
    """The server is older than this package, and does not have the field yet."""

    def __init__(self, model: str, name: str) -> None:
        super().__init__(f"This server does not send {model}.{name}: it is older than this package")


class ApiError(VoiceOpsError):
    """The server refused a request.

    `status` is the HTTP status, `code` the machine-readable name of the error (the header
    `Error-Code`), `detail` its sentence, and `fields` what is wrong with which field (422).
    """

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.code = response.headers.get("Error-Code")
        self.request_id = response.headers.get("X-Request-ID")
        self.retry_after = response.headers.get("Retry-After")
        body = _detail_of(response)
        self.fields: list[Mapping[str, Any]] = body if isinstance(body, list) else []
        self.detail = _one_line(self.fields) if self.fields else str(body)
        request = response.request
        super().__init__(f"{request.method} {request.url.path}: {self.status} {self.detail}")


class BadRequest(ApiError):
    """400: well formed, and cannot be done."""


class Unauthorized(ApiError):
    """401: no, bad or expired credentials."""


class Forbidden(ApiError):
    """403: the role is too low, or the workspace is another one."""


class NotFound(ApiError):
    """404: it does not exist, or belongs to another workspace."""


class Conflict(ApiError):
    """409: a duplicate."""


class ValidationFailed(ApiError):
    """422: fields are wrong. `fields` has an entry for each."""


class TooManyRequests(ApiError):
    """429: `retry_after` says how many seconds to wait."""


class ServerFailed(ApiError):
    """5xx: the server, or a provider behind it, failed."""


BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: ValidationFailed,
    429: TooManyRequests,
}


def error_of(response: httpx.Response) -> ApiError:
    """Return the error that a response with a status of 400 or more stands for."""
    fallback = ServerFailed if response.status_code >= 500 else ApiError
    return BY_STATUS.get(response.status_code, fallback)(response)


def _detail_of(response: httpx.Response) -> Any:
    try:
        return response.json()["detail"]
    except (ValueError, KeyError, TypeError):  # a proxy's own page
        return response.reason_phrase or "no reason given"


def _one_line(fields: list[Mapping[str, Any]]) -> str:
    return "; ".join(
        f"{'.'.join(str(step) for step in field['loc'])}: {field['msg']}" for field in fields
    )
