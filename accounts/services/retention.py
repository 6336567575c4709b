"""Deleting credentials that are past their use."""

from datetime import datetime, timedelta

from django.db.models import Q

from accounts.auth import attempt_limits
from accounts.models import IdempotentRequest, Invitation, PasswordReset, Session

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
        "login attempts": attempt_limits.prune(now=now),
    }
