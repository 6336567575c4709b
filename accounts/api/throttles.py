"""Rate limits, which exist only where `THROTTLE_RATES` sets them:
`caller=600/min,login=10/min,account=5/15min`.

`caller` counts for every user, key, or address without credentials (`user` and `anon` tell the two
apart), `workspace` for all callers of one together; `login` every address, and `account` every
address with one e-mail, where a password or a token out of an e-mail is taken. Counted in Django's
cache, which the processes of one machine share.
"""

import hashlib
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from accounts.auth.authentication import client_ip
from accounts.auth.principal import Principal

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Limit(SimpleRateThrottle):
    def get_rate(self) -> str | None:
        return self.THROTTLE_RATES.get(str(self.scope))

    def parse_rate(self, rate: str | None) -> Any:
        """How many in how many seconds; the settings have refused what is no rate."""
        found = settings.THROTTLE_RATE.fullmatch(rate or "")
        if found is None:
            return None, None
        return int(found["most"]), int(found["times"] or 1) * SECONDS[found["unit"]]


class CallerLimit(Limit):
    """Of every user, key, or address without credentials."""

    scope = "caller"

    def get_cache_key(self, request: Request, view: Any) -> str:
        return f"throttle:{self.scope}:{_who(request)}"


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


class LoginLimit(Limit):
    """Of every address on the routes that take a password or a token out of an e-mail."""

    scope = "login"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        return f"throttle:login:{client_ip(request)}" if _is_login(request) else None


class AccountLimit(Limit):
    """Of every address trying one account: its owner, who comes from elsewhere, is not locked out."""

    scope = "account"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if not _is_login(request):
            return None
        email = request.data.get("email") if isinstance(request.data, dict) else None
        account = hashlib.sha256(str(email).strip().lower().encode()).hexdigest()
        return f"throttle:account:{client_ip(request)}:{account}" if email else None


def _who(request: Request) -> str:
    return request.auth.scope if isinstance(request.auth, Principal) else f"ip:{client_ip(request)}"


def _is_login(request: Request) -> bool:
    return request.path_info.startswith("/auth/") and not request.auth
