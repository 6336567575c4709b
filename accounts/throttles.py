"""Rate limits, which exist only where the operator sets `THROTTLE_RATES`: `caller=600/min,login=10/min`.

Counted in Django's cache: per process, unless the deployment configures a shared one.
"""

from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from accounts.access import Access
from accounts.authentication import ip_of


class Limit(SimpleRateThrottle):
    def get_rate(self) -> str | None:
        return self.THROTTLE_RATES.get(str(self.scope))


class CallerLimit(Limit):
    """Of every user, key, or address without credentials."""

    scope = "caller"

    def get_cache_key(self, request: Request, view: Any) -> str:
        who = request.auth.scope if isinstance(request.auth, Access) else f"ip:{ip_of(request)}"
        return f"throttle:caller:{who}"


class LoginLimit(Limit):
    """Of every address on the routes that take a password or a token out of an e-mail."""

    scope = "login"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return (
            f"throttle:login:{ip_of(request)}" if request.path_info.startswith("/auth/") and not request.auth else None
        )
