"""One handler turns every error into the documented JSON.

That is `{"detail": message}`, or for 422 a list of all field errors. The code of a field error is
its documented type (`value_error.missing`); REST framework's own codes are translated.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from voiceops.api import error_codes
from voiceops.api.field_errors import ONLY_COUNTED
from voiceops.core.database_locks import is_lock_error, is_timeout
from voiceops.core.disk_space import DISK_FULL, is_disk_full
from voiceops.core.errors import (
    Busy,
    Conflict,
    DomainError,
    Forbidden,
    NoSpace,
    NotFound,
    ProviderError,
)

STATUS_BY_ERROR: dict[type[DomainError], int] = {
    NotFound: 404,
    Forbidden: 403,
    Conflict: 409,
    Busy: 503,
    NoSpace: 503,
    ProviderError: 500,
}

# Messages of errors that our code does not word.
DEFAULT_DETAILS = {
    400: "Malformed request body",
    401: "Invalid or missing token",
    403: "Insufficient permissions",
    404: "Not found",
    405: "Method not allowed",
    413: "Request body too large",
    415: "Unsupported media type",
    429: "Too many requests",
    500: "Internal server error",
    503: "The database cannot be reached",
}

DATABASE_BUSY = "The database is busy"
RETRY_AFTER_SECONDS = 1

# Documented type -> message, in the wording of Pydantic v1 (docs/reference/api-contract.md §1).
MESSAGES = {
    "value_error.missing": "field required",
    "value_error.extra": "extra fields not permitted",
    "value_error.any_str.min_length": "ensure this value has at least {limit} characters",
    "value_error.any_str.max_length": "ensure this value has at most {limit} characters",
    "value_error.list.min_items": "ensure this value has at least {limit} items",
    "value_error.list.max_items": "ensure this value has at most {limit} items",
    "value_error.number.not_ge": "ensure this value is greater than or equal to {limit}",
    "value_error.number.not_le": "ensure this value is less than or equal to {limit}",
    "value_error.email": "value is not a valid email address",
    "value_error.datetime": "invalid datetime format",
    "value_error.url.scheme": "invalid or missing URL scheme",
    "type_error.none.not_allowed": "none is not an allowed value",
    "type_error.integer": "value is not a valid integer",
    "type_error.float": "value is not a valid float",
    "type_error.bool": "value could not be parsed to a boolean",
    "type_error.str": "str type expected",
    "type_error.list": "value is not a valid list",
    "type_error.dict": "value is not a valid dict",
    "type_error.uuid": "value is not a valid uuid",
    "type_error.enum": "value is not a valid enumeration member; permitted: {permitted}",
}

# REST framework's code -> documented type. The type's message replaces that of REST framework
# unless it has a parameter.
TYPE_BY_CODE = {
    "required": "value_error.missing",
    "null": "type_error.none.not_allowed",
    "blank": "value_error.any_str.min_length",
    "min_length": "value_error.any_str.min_length",
    "max_length": "value_error.any_str.max_length",
    "min_value": "value_error.number.not_ge",
    "max_value": "value_error.number.not_le",
    "not_a_list": "type_error.list",
    "not_a_dict": "type_error.dict",
    "invalid_choice": "type_error.enum",
}


MAX_LISTED_NAME_CHARACTERS = 200  # of a field's name in `loc`, because clients may send any name


def field_error(
    kind: str, message: str | None = None, **parameters: object
) -> exceptions.ValidationError:
    """Return a 422 of the documented type `kind`, with its documented message or with `message`."""
    return exceptions.ValidationError(message or MESSAGES[kind].format(**parameters), code=kind)


def query_error(name: str, message: str) -> exceptions.ValidationError:
    """Return a 422 of one query parameter, for what only a view can check."""
    error = exceptions.ValidationError({name: field_error("value_error", message).detail})
    error.location = "query"  # type: ignore[attr-defined]  # read by handle_exception
    return error


def handle_exception(exc: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's EXCEPTION_HANDLER.

    Returns None for a bug, to which JsonErrorsMiddleware responds with a 500.
    """
    if isinstance(exc, exceptions.ValidationError):
        location = getattr(exc, "location", "body")
        return _error_response(422, list_errors(exc.get_full_details(), location))
    if isinstance(exc, DomainError):
        response = _error_response(_domain_status(exc), str(exc), _headers(exc), code=exc.code)
        response.is_repeatable = getattr(exc, "is_repeatable", False)  # type: ignore[attr-defined]
        return response
    if isinstance(exc, exceptions.APIException):
        return _error_response(exc.status_code, _detail_text(exc), _headers(exc))
    status = http_status(exc)
    if status == 500:
        return None
    return _error_response(status, default_detail(exc, status), retry_headers(status))


def default_detail(exc: Exception, status: int) -> str | None:
    """Return the message of an exception that our code does not word; None for a status's own."""
    return transient_detail(exc) or DEFAULT_DETAILS.get(status)


def transient_detail(exc: Exception) -> str | None:
    """Return what keeps a request from being served for a moment; None when nothing is known."""
    if is_disk_full(exc):
        return DISK_FULL
    if isinstance(exc, Busy):
        return str(exc)
    return DATABASE_BUSY if is_lock_error(exc) or is_timeout(exc) else None


def retry_headers(status: int) -> dict[str, str]:
    """Return the headers that say when to try again, for the statuses that ask for it."""
    return {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}


def http_status(exc: Exception) -> int:
    """Return the status of an exception of Django; 500 for every other one, which is a bug."""
    if isinstance(exc, RequestDataTooBig):
        return 413
    if isinstance(exc, Http404):
        return 404
    if isinstance(exc, PermissionDenied):
        return 403
    if isinstance(exc, OperationalError | InterfaceError | Busy) or is_disk_full(exc):
        return 503
    return 400 if isinstance(exc, SuspiciousOperation) else 500


def json_error(status: int, message: str | None = None) -> JsonResponse:
    """Return the documented error for code that runs outside REST framework.

    There a 400 is seldom caused by the body, so its message is another one.
    """
    messages = {**DEFAULT_DETAILS, 400: "Bad request"}
    default = messages.get(status) or messages[400 if status < 500 else 500]
    detail = message or default
    headers = {error_codes.HEADER: error_codes.code_of(status, detail), **retry_headers(status)}
    return JsonResponse({"detail": detail}, status=status, headers=headers)


def method_not_allowed(*methods: str) -> JsonResponse:
    """Return the documented 405 of a view outside REST framework that answers these methods."""
    response = json_error(405)
    response.headers["Allow"] = ", ".join(methods)
    return response


def list_errors(details: Any, location: str) -> list[dict[str, Any]]:
    """Return REST framework's nested details as the documented flat list.

    It has at most MAX_LISTED_ERRORS entries; when there are more errors, the last says how many.
    """
    return limit_errors(flatten_errors(details, (location,)), location)


def limit_errors(errors: Iterable[dict[str, Any]], location: str) -> list[dict[str, Any]]:
    """Return the first MAX_LISTED_ERRORS; when there are more, the last says how many."""
    limit: int = settings.MAX_LISTED_ERRORS
    listed: list[dict[str, Any]] = []
    hidden = 0
    for error in errors:
        if error["type"] == ONLY_COUNTED:
            hidden += int(error["msg"])
        elif len(listed) < limit:
            listed.append(error)
        else:
            hidden += 1
    if not hidden:
        return listed

    # The last entry gives up its place.
    hidden += len(listed[limit - 1 :])
    message = f"{hidden} more mistakes are not listed, because a response lists {limit} at most"
    rest = {"loc": [location], "msg": message, "type": "value_error"}
    return [*listed[: limit - 1], rest]


def flatten_errors(details: Any, loc: tuple[str | int, ...]) -> Iterator[dict[str, Any]]:
    """Yield REST framework's nested details as the documented flat list, in their order."""
    if isinstance(details, list):
        for detail in details:
            yield from flatten_errors(detail, loc)
    elif _is_leaf(details):
        kind = TYPE_BY_CODE.get(details["code"], details["code"])
        documented = MESSAGES.get(kind, "")
        has_parameter = "{" in documented  # REST framework has filled it in
        yield {
            "loc": shorten_location(loc),
            "msg": documented if documented and not has_parameter else str(details["message"]),
            "type": kind if kind in MESSAGES or kind == ONLY_COUNTED else "value_error",
        }
    else:
        for name, inner in details.items():
            yield from flatten_errors(inner, loc if name == "non_field_errors" else (*loc, name))


def shorten_location(loc: Iterable[str | int]) -> list[str | int]:
    """Return a `loc` whose names are cut: a client may send names of any length."""
    return [part if isinstance(part, int) else _shorten_name(part) for part in loc]


def _shorten_name(name: str) -> str:
    is_short = len(name) <= MAX_LISTED_NAME_CHARACTERS
    return name if is_short else f"{name[: MAX_LISTED_NAME_CHARACTERS - 1]}…"


def _domain_status(error: DomainError) -> int:
    for kind, status in STATUS_BY_ERROR.items():
        if isinstance(error, kind):
            return status
    return 400


def _is_leaf(details: Mapping[str, Any]) -> bool:
    return set(details) == {"message", "code"} and isinstance(details["code"], str)


def _detail_text(exc: exceptions.APIException) -> str:
    """Return the documented message, or a view's own where it set one."""
    may_have_own = isinstance(
        exc, exceptions.AuthenticationFailed | exceptions.PermissionDenied | exceptions.NotFound
    )
    if may_have_own and str(exc.detail) != str(type(exc).default_detail):
        return str(exc.detail)
    return DEFAULT_DETAILS.get(exc.status_code, str(exc.detail))


def _headers(exc: Exception) -> dict[str, str]:
    headers = {}
    if challenge := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = str(challenge)
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = str(math.ceil(wait))
    return headers


def _error_response(
    status: int, detail: object, headers: dict[str, str] | None = None, *, code: str | None = None
) -> Response:
    # As REST framework's own handler does: a refused request must not commit what it wrote.
    set_rollback()
    code = code or error_codes.code_of(status, detail)
    headers = {error_codes.HEADER: code, **(headers or {})}
    return Response({"detail": detail}, status=status, headers=headers)
