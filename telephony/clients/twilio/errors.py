"""One request to Twilio: sent again only when that is safe, and its failure told in words an
operator can act on.

Kinds of failure, and which of them may have been carried out all the same: `protocols.md` §6.2.
"""

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests
from django.conf import settings
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException

from telephony.clients.errors import provider_errors
from voiceops.core.errors import ProviderError

T = TypeVar("T")
FAILURES = (TwilioException, requests.RequestException, json.JSONDecodeError)
PAUSES = (0.5, 1.5)  # seconds before a request that was refused as one too many is sent again
# Seconds after which a request whose answer was lost has either been carried out or never will be.
SETTLES = 1.0

# Twilio's code -> what an operator can do. https://www.twilio.com/docs/api/errors
WORDS = {
    20003: "the account SID or the auth token was refused; check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN",
    20429: "too many requests; try again in a minute",
    20005: "the account is not active; add funds or have it reactivated in the Twilio console",
    10001: "the account is not active; add funds or have it reactivated in the Twilio console",
    10002: "a trial account cannot do this; upgrade it in the Twilio console",
    21404: "a trial account may own one number only; upgrade it in the Twilio console",
    21421: "this is not a number that Twilio sells",
    21422: "the number is no longer available; search for another",
    21451: "there is no such area code",
    21452: "no number is available in this area code",
    21613: "Twilio requires an address for this number; add one in the Twilio console and buy it there",
    21631: "Twilio requires an address for this number; add one in the Twilio console and buy it there",
    21649: "Twilio requires a regulatory bundle for this number; get one approved in its console and buy it there",
}


class TwilioError(ProviderError):
    """`unsure`: the request may have been carried out all the same. `unheard`: it was one too many,
    and was not.

    `missing`: what it names is not there.
    """

    def __init__(
        self, reason: str, *, unsure: bool = False, unheard: bool = False, missing: bool = False
    ) -> None:
        super().__init__(f"Twilio error: {reason}")
        self.unsure = unsure
        self.unheard = unheard
        self.missing = missing


def call(request: Callable[[], T]) -> T:
    """The answer to one request. Raises TwilioError in words; sends again only what Twilio did not
    process (429).
    """
    for pause in PAUSES:
        try:
            return _ask(request)
        except TwilioError as error:
            if not error.unheard:
                raise
            time.sleep(pause)
    return _ask(request)


def _ask(request: Callable[[], T]) -> T:
    with provider_errors(FAILURES, to_error):
        return request()


def create_once(create: Callable[[], T], find: Callable[[], T | None]) -> T:
    """What `create` made, also when its answer was lost: then it is looked for, and not made a
    second time.
    """
    try:
        return create()
    except TwilioError as error:
        if not error.unsure:
            raise
        for pause in (0.0, SETTLES):
            time.sleep(pause)
            if (made := find()) is not None:
                return made
        raise


def delete_if_exists(delete: Callable[[], Any]) -> None:
    try:
        call(delete)
    except TwilioError as error:
        if not error.missing:
            raise


def to_error(error: Exception) -> TwilioError:
    if isinstance(error, TwilioRestException | TwilioServiceException):
        return _refusal(error.status, int(error.code or 0), _message(error))
    if (
        isinstance(error, TwilioException) and len(error.args) == 2
    ):  # a list: "Unable to fetch page", and the answer
        return _of_page(error.args[1])
    if isinstance(error, requests.Timeout):
        return TwilioError("no answer in time", unsure=True)
    if isinstance(error, requests.ConnectionError):
        return TwilioError("could not be reached", unsure=True)
    return TwilioError("an answer that could not be understood", unsure=True)


def _refusal(status: int, code: int, message: str) -> TwilioError:
    if status >= 500:
        return TwilioError(f"Twilio itself failed ({status}); try again", unsure=True)
    if status == 429:
        return TwilioError(WORDS[20429], unheard=True)
    if code in WORDS:
        return TwilioError(WORDS[code])
    if status == 401:
        return TwilioError(WORDS[20003])
    return TwilioError(
        f"rejected: {message}" if message else f"rejected ({status})", missing=status == 404
    )


def _of_page(response: Any) -> TwilioError:
    try:
        body = json.loads(response.text)
        return _refusal(
            response.status_code, int(body.get("code") or 0), _plain(str(body.get("message") or ""))
        )
    except (ValueError, AttributeError, TypeError):
        return _refusal(response.status_code, 0, "")


def _message(error: Any) -> str:
    """Twilio's own words without the client's preamble, on one line, and without our token."""
    text = str(
        getattr(error, "msg", "")
        or getattr(error, "detail", "")
        or getattr(error, "title", "")
        or ""
    )
    _, _, reason = text.rpartition("record: ")
    return _plain(reason)


def _plain(reason: str) -> str:
    words = " ".join(reason.split())[:300]
    return (
        words.replace(settings.TWILIO_AUTH_TOKEN, "…")
        if len(settings.TWILIO_AUTH_TOKEN) > 8
        else words
    )
