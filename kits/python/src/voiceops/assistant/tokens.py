"""Tokens of previews: an action is carried out only as it was shown, once, and soon after."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from voiceops.errors import VoiceOpsError

LIFETIME_SECONDS = 600.0


class TokenRefused(VoiceOpsError):
    """There was no preview of exactly this, or not lately."""


@dataclass(frozen=True)
class _Issued:
    action: str
    arguments: Mapping[str, Any]
    facts: Mapping[str, Any]
    expires_at: float


class PreviewTokens:
    """The tokens of this process. They end with it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._issued: dict[str, _Issued] = {}

    def issue(self, action: str, arguments: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
        """Return a token for the action with these arguments, as long as the facts hold."""
        now = self._clock()
        self._issued = {key: each for key, each in self._issued.items() if each.expires_at > now}
        token = secrets.token_urlsafe(16)
        expires_at = now + LIFETIME_SECONDS
        self._issued[token] = _Issued(action, dict(arguments), dict(facts), expires_at)
        return token

    def spend(
        self, token: str, action: str, arguments: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> None:
        """Use a token up. Raises TokenRefused when it does not belong to exactly this."""
        issued = self._issued.get(token)
        if issued is None or issued.expires_at <= self._clock():
            raise TokenRefused("This preview is unknown, used or too old: ask for a new one")
        if (issued.action, issued.arguments) != (action, arguments):
            raise TokenRefused("This preview was of another action, or of other arguments")
        # A token is good for one attempt, whatever becomes of it.
        del self._issued[token]
        if issued.facts != facts:
            raise TokenRefused("What the preview showed has changed since: ask for a new one")
