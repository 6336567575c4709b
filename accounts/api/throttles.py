"""Rate limits. Only those exist that `THROTTLE_RATES` sets, for example
`caller=600/min,login=10/min,account=5/15min`.

caller      every user, key, or IP address without credentials
user, anon  the same, only with or only without credentials
workspace   all principals of one workspace together
login       every IP address, on the routes that accept a password or a token from an e-mail
account     every pair of IP address and e-mail address, on the same routes, and every pair of IP
            address and user who gives the current password to change it

The first four are counted in Django's cache, which the processes of one machine share; the last
two, which limit guessing, in the database, for all machines and before an attempt is judged.

Every answer to a request that was counted says how much of the tightest limit is left
(`rate_limit_headers`).
"""

import hashlib
import math
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from accounts.auth import attempt_limits
from accounts.auth.authentication import client_ip
from accounts.auth.principal import Principal
from voiceops.api.answer_headers import RATE_LIMIT_HEADERS
from voiceops.core.env import parse_throttle_rate

PASSWORD_CHANGE = "/auth/password/change"  # noqa: S105 - a path: it asks for the current password


class Standing(NamedTuple):
    """How a caller stands against a limit: at `resets_at` (Unix time) one more is allowed."""

    limit: int
    remaining: int
    resets_at: float


class Limit(SimpleRateThrottle):
    """A limit that is off unless THROTTLE_RATES has a rate for its scope."""

    standing: Standing | None = None  # once it has counted the request
    # Of the library, whose stubs lack them: as `parse_rate` returns them.
    num_requests: Any
    duration: Any

    def allow_request(self, request: Request, view: Any) -> bool:
        is_allowed = super().allow_request(request, view)
        if self.rate is not None and self.key is not None:
            oldest = self.history[-1] if self.history else self.now
            remaining = self.num_requests - len(self.history)
            self.standing = Standing(self.num_requests, remaining, oldest + self.duration)
        return is_allowed

    def get_rate(self) -> str | None:
        return self.THROTTLE_RATES.get(str(self.scope))

    def parse_rate(self, rate: str | None) -> Any:
        """Return (requests, seconds); (None, None) when there is no rate.

        The settings have validated the rate.
        """
        return parse_throttle_rate(rate or "") or (None, None)


class CallerLimit(Limit):
    """Limits every user, key, or IP address without credentials."""

    scope = "caller"

    def get_cache_key(self, request: Request, view: Any) -> str:
        return f"throttle:{self.scope}:{_caller(request)}"


class UserLimit(CallerLimit):
    scope = "user"

    def get_cache_key(self, request: Request, view: Any) -> Any:
        return super().get_cache_key(request, view) if isinstance(request.auth, Principal) else None


class AnonLimit(CallerLimit):
    scope = "anon"

    def get_cache_key(self, request: Request, view: Any) -> Any:
        return None if isinstance(request.auth, Principal) else super().get_cache_key(request, view)


class WorkspaceLimit(Limit):
    scope = "workspace"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        workspace = request.auth.workspace if isinstance(request.auth, Principal) else None
        return f"throttle:workspace:{workspace.pk}" if workspace else None


class AttemptLimit(Limit):
    """A limit of attempts: so many of them in a window that begins with the first."""

    def allow_request(self, request: Request, view: Any) -> bool:
        rate = parse_throttle_rate(self.get_rate() or "")
        key = self.get_cache_key(request, view) if rate else None
        if rate is None or key is None:
            return True
        limit, seconds = rate
        attempts = attempt_limits.count_attempt(
            key, now=timezone.now(), window=timedelta(seconds=seconds)
        )
        remaining = max(0, limit - attempts.made)
        self.standing = Standing(limit, remaining, attempts.window_ends_at.timestamp())
        return attempts.made <= limit

    def wait(self) -> float:
        assert self.standing is not None  # it has refused the request
        return max(1.0, self.standing.resets_at - time.time())


class LoginLimit(AttemptLimit):
    """Limits every IP address on the routes that accept a password or an e-mailed token."""

    scope = "login"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return f"throttle:login:{client_ip(request)}" if _is_login(request) else None


class AccountLimit(AttemptLimit):
    """Limits every IP address per account, so that a stranger cannot lock its owner out."""

    scope = "account"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if isinstance(request.auth, Principal) and request.path_info == PASSWORD_CHANGE:
            return f"throttle:account:{client_ip(request)}:{request.auth.scope}"
        if not _is_login(request):
            return None
        email = request.data.get("email") if isinstance(request.data, dict) else None
        # A hash, because cache keys end up in file names and logs.
        account = hashlib.sha256(str(email).strip().lower().encode()).hexdigest()
        return f"throttle:account:{client_ip(request)}:{account}" if email else None


def rate_limit_headers(limits: Iterable[Limit]) -> dict[str, str]:
    """Return how the caller stands against the limit of which the least is left.

    Nothing where no limit counted the request.
    """
    standings = [limit.standing for limit in limits if limit.standing is not None]
    if not standings:
        return {}
    tightest = min(standings, key=lambda standing: (standing.remaining, -standing.resets_at))
    values = (tightest.limit, tightest.remaining, math.ceil(tightest.resets_at))
    return {name: str(value) for name, value in zip(RATE_LIMIT_HEADERS, values, strict=True)}


def _caller(request: Request) -> str:
    if isinstance(request.auth, Principal):
        return request.auth.scope
    return f"ip:{client_ip(request)}"


def _is_login(request: Request) -> bool:
    return request.path_info.startswith("/auth/") and not request.auth
