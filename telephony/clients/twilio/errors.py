"""One request to Twilio: repeated only when that is safe, and its failure in an operator's words.

`docs/reference/protocols.md §6.2` lists the kinds of failure, and which of them may have been
carried out all the same.
"""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from django.conf import settings
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException

from telephony.clients.errors import provider_errors
from voiceops.core.errors import ProviderError
from voiceops.core.lazy_module import LazyModule

if TYPE_CHECKING:
    import requests
else:
    requests = LazyModule("requests")

T = TypeVar("T")
# Before a request is repeated that was refused with 429, the one refusal which Twilio promises
# never to have processed.
RATE_LIMIT_PAUSES_SECONDS = (0.5, 1.5)
# After this time a request whose answer was lost has been carried out, or never will be.
LOST_REQUEST_SECONDS = 1.0
MAX_REASON_CHARS = 300
MIN_SECRET_CHARS = 8  # a shorter token could be part of any sentence

CREDENTIALS_REFUSED = (
    "the account SID or the auth token was refused; check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
)
TOO_MANY_REQUESTS = "too many requests; try again in a minute"
ACCOUNT_INACTIVE = (
    "the account is not active; add funds or have it reactivated in the Twilio console"
)
ADDRESS_REQUIRED = (
    "Twilio requires an address for this number; add one in the Twilio console and buy it there"
)
BUNDLE_REQUIRED = (
    "Twilio requires a regulatory bundle for this number; "
    "get one approved in its console and buy it there"
)
# What an operator can do, by Twilio's code: https://www.twilio.com/docs/api/errors
TWILIO_REASONS = {
    20003: CREDENTIALS_REFUSED,
    20429: TOO_MANY_REQUESTS,
    20005: ACCOUNT_INACTIVE,
    10001: ACCOUNT_INACTIVE,
    10002: "a trial account cannot do this; upgrade it in the Twilio console",
    21404: "a trial account may own one number only; upgrade it in the Twilio console",
    21421: "this is not a number that Twilio sells",
    21422: "the number is no longer available; search for another",
    21451: "there is no such area code",
    21452: "no number is available in this area code",
    21613: ADDRESS_REQUIRED,
    21631: ADDRESS_REQUIRED,
    21649: BUNDLE_REQUIRED,
}


class TwilioError(ProviderError):
    """A request to Twilio failed.

    `is_outcome_unknown`: it may have been carried out all the same. `was_rate_limited`: it was one
    too many and was not carried out. `is_not_found`: what it names does not exist.
    """

    def __init__(
        self,
        reason: str,
        *,
        is_outcome_unknown: bool = False,
        was_rate_limited: bool = False,
        is_not_found: bool = False,
    ) -> None:
        super().__init__(f"Twilio error: {reason}")
        self.is_outcome_unknown = is_outcome_unknown
        self.was_rate_limited = was_rate_limited
        self.is_not_found = is_not_found


def send_request(request: Callable[[], T]) -> T:
    """Return the answer to one request, repeated only when Twilio did not process it (429).

    Raises TwilioError.
    """
    for pause_seconds in RATE_LIMIT_PAUSES_SECONDS:
        try:
            return _send_once(request)
        except TwilioError as error:
            if not error.was_rate_limited:
                raise
            time.sleep(pause_seconds)
    return _send_once(request)


def _send_once(request: Callable[[], T]) -> T:
    # The client lets the exceptions of requests and of its JSON parser through unchanged.
    failures = (TwilioException, requests.RequestException, json.JSONDecodeError)
    with provider_errors(failures, to_error):
        return request()


def create_once(create: Callable[[], T], find: Callable[[], T | None]) -> T:
    """Return what `create` made; when its answer is lost, what `find` finds. Never creates twice.

    Raises TwilioError.
    """
    try:
        return create()
    except TwilioError as error:
        if not error.is_outcome_unknown:
            raise
        for pause_seconds in (0.0, LOST_REQUEST_SECONDS):
            time.sleep(pause_seconds)
            if (made := find()) is not None:
                return made
        raise


def delete_if_exists(delete: Callable[[], Any]) -> None:
    """Delete something that may be gone already. Raises TwilioError."""
    try:
        send_request(delete)
    except TwilioError as error:
        if not error.is_not_found:
            raise


def to_error(error: Exception) -> TwilioError:
    """Return the client's exception as an error in words."""
    # Neither class derives from the other; the second stands for bodies as of RFC 9457.
    if isinstance(error, TwilioRestException | TwilioServiceException):
        return _refusal(error.status, int(error.code or 0), _message(error))
    # A list that fails raises ("Unable to fetch page", response).
    if isinstance(error, TwilioException) and len(error.args) == 2:
        return _page_refusal(error.args[1])
    if isinstance(error, requests.Timeout):
        return TwilioError("no answer in time", is_outcome_unknown=True)
    if isinstance(error, requests.ConnectionError):
        return TwilioError("could not be reached", is_outcome_unknown=True)
    return TwilioError("an answer that could not be understood", is_outcome_unknown=True)


def _refusal(status: int, code: int, message: str) -> TwilioError:
    # Before the codes: whatever its body says, a 5xx may have been carried out.
    if status >= 500:
        reason = f"Twilio itself failed ({status}); try again"
        return TwilioError(reason, is_outcome_unknown=True)
    if status == 429:
        return TwilioError(TOO_MANY_REQUESTS, was_rate_limited=True)
    if code in TWILIO_REASONS:
        return TwilioError(TWILIO_REASONS[code])
    if status == 401:
        return TwilioError(CREDENTIALS_REFUSED)
    reason = f"rejected: {message}" if message else f"rejected ({status})"
    return TwilioError(reason, is_not_found=status == 404)


def _page_refusal(response: Any) -> TwilioError:
    try:
        body = json.loads(response.text)
        code = int(body.get("code") or 0)
        message = _one_line(str(body.get("message") or ""))
    except (ValueError, AttributeError, TypeError):
        return _refusal(response.status_code, 0, "")
    return _refusal(response.status_code, code, message)


def _message(error: Any) -> str:
    """Return Twilio's own words, without the preamble that the client puts before them."""
    names = ("msg", "detail", "title")
    text = next((value for name in names if (value := getattr(error, name, ""))), "")
    _, _, reason = str(text).rpartition("record: ")
    return _one_line(reason)


def _one_line(reason: str) -> str:
    """Return the reason on one line, short, and without our token."""
    line = " ".join(reason.split())[:MAX_REASON_CHARS]
    token = settings.TWILIO_AUTH_TOKEN
    return line.replace(token, "…") if len(token) > MIN_SECRET_CHARS else line
