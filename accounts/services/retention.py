from datetime import datetime, timedelta

from django.db.models import Q

from accounts.api import idempotency
from accounts.auth import attempt_limits
from accounts.models import Invitation, PasswordReset, Session

SESSIONS_KEPT = timedelta(days=30)  # after their end, for whoever looks into a stolen token


def prune(*, now: datetime) -> dict[str, int]:
    """Forget credentials long past their use; how many of each. Audit entries stay."""
    long_ago = now - SESSIONS_KEPT
    return {
        "sessions": Session.objects.filter(
            Q(expires_at__lt=long_ago) | Q(revoked_at__lt=long_ago)
        ).delete()[0],
        "password resets": PasswordReset.objects.filter(expires_at__lt=now).delete()[0],
        "invitations": Invitation.unscoped.filter(
            accepted_at=None, expires_at__lt=long_ago
        ).delete()[0],
        "idempotency keys": idempotency.prune(now=now),
        "tries to log in": attempt_limits.prune(now=now),
    }
