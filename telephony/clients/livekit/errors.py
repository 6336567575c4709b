"""LiveKit's failures, as sentences that an operator can act on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from telephony.clients.errors import provider_errors
from telephony.clients.livekit.sdk import aiohttp, api, message
from voiceops.core.errors import ProviderError

# For every request but a dial and a transfer, because the SDK's own default is never applied.
LIVEKIT_TIMEOUT_SECONDS = 10.0
GENERAL = "LiveKit error"
SIP = "LiveKit SIP error"

# LiveKit's words when no SIP or egress service takes a request.
NO_SERVICE = "no response from servers"
# LiveKit puts this before most of its messages, whatever the code
# (`docs/reference/protocols.md §1.2`).
_MESSAGE_PREFIX = "twirp error unknown: "


def transport_failures() -> tuple[type[Exception], ...]:
    """Return what aiohttp and protobuf raise: it comes through as it is, the SDK wraps none."""
    return (aiohttp.ClientError, TimeoutError, OSError, message.DecodeError)


@asynccontextmanager
async def livekit_errors(
    name: str, *, timeout_seconds: float = LIVEKIT_TIMEOUT_SECONDS
) -> AsyncIterator[None]:
    """Bound a request in time; a failure becomes `<name>: <reason>`. Raises ProviderError."""

    def to_error(error: Exception) -> ProviderError:
        return ProviderError(f"{name}: {reason_of(error)}")

    with provider_errors((api.ServerError, *transport_failures()), to_error):
        async with asyncio.timeout(timeout_seconds):
            yield


def reason_of(error: Exception) -> str:
    """Return LiveKit's reason in words, without class names, addresses or secrets."""
    if isinstance(error, api.ServerError):
        if error.status == 401:
            return "the API key or secret was refused"
        return plain_message(error.message) or f"answered {error.status}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, message.DecodeError):  # a 200 from a proxy on the way, not from LiveKit
        return "an answer that could not be understood"
    return "could not be reached"


def plain_message(message: str) -> str:
    """Return LiveKit's message without the prefix that most of its messages carry."""
    return message.removeprefix(_MESSAGE_PREFIX)


def is_key_refused(error: ProviderError) -> bool:
    """Return whether LiveKit refused our API key (trap 11: it answers 401 without a code)."""
    cause = error.__cause__
    return isinstance(cause, api.ServerError) and cause.status == 401


def is_timeout(error: ProviderError) -> bool:
    """Return whether no answer came in time, or LiveKit found no service that takes the request."""
    cause = error.__cause__
    if isinstance(cause, api.ServerError):
        return NO_SERVICE in cause.message
    return isinstance(cause, TimeoutError)


def metadata_refusal(error: ProviderError) -> str | None:
    """Return LiveKit's words when it refused metadata for its size; None for every other error."""
    cause = error.__cause__
    if not isinstance(cause, api.ServerError) or cause.status >= 500:
        return None
    words = plain_message(cause.message)
    return words if "metadata" in words and "exceed" in words else None


def is_outcome_unknown(error: BaseException) -> bool:
    """Return whether LiveKit may have done what it was asked although the request failed.

    That is so when no answer came, or a broken one; a connection that was never made did nothing.
    """
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientConnectorError):
        return False
    if isinstance(cause, api.ServerError):
        return cause.status >= 500
    return isinstance(cause, aiohttp.ClientError | OSError | message.DecodeError)
