"""Deleting credentials that are past their use."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from accounts.auth import attempt_limits
from accounts.models import IdempotentRequest, Invitation, PasswordReset, Session
from voiceops.core.env import parse_throttle_rate

ENDED_SESSION_RETENTION = timedelta(days=30)  # for investigating a stolen token


def prune(*, now: datetime) -> dict[str, int]:
    """Delete credentials long past their use. Returns how many of each kind.

    Audit entries are never deleted.
    """
    long_ago = now - ENDED_SESSION_RETENTION
    ended_sessions = Session.objects.filter(Q(expires_at__lt=long_ago) | Q(revoked_at__lt=long_ago))
    expired_resets = PasswordReset.objects.filter(expires_at__lt=now)
    unused_invitations = Invitation.unscoped.filter(accepted_at=None, expires_at__lt=long_ago)
    return {
        "sessions": ended_sessions.delete()[0],
        "password resets": expired_resets.delete()[0],
        "invitations": unused_invitations.delete()[0],
        "idempotency keys": IdempotentRequest.objects.expired(now).delete()[0],
        "login attempts": attempt_limits.prune(now=now, window=_longest_window()),
    }


def _longest_window() -> timedelta:
    """Return the longest window of any limit of attempts; before its end no counter may go."""
    texts = (settings.THROTTLE_RATES.get(scope, "") for scope in ("login", "account"))
    rates = [rate for text in texts if (rate := parse_throttle_rate(text))]
    return max([attempt_limits.ATTEMPT_WINDOW, *(timedelta(seconds=each) for _, each in rates)])
