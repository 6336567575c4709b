from datetime import timedelta

from django.utils import timezone

from accounts.auth import attempt_limits
from accounts.models import Session, Workspace
from accounts.services import retention
from tests import make


def test_only_expired_credentials_are_deleted(ours: Workspace) -> None:
    now = timezone.now()
    live, ended = make.session(make.member(ours)), make.session(make.member(ours))
    Session.objects.filter(pk=ended.pk).update(revoked_at=now - timedelta(days=31))
    waiting = make.invitation(ours)
    make.invitation(ours, expires_at=now - timedelta(days=31))
    make.audit_entry(ours)
    attempt_limits.register_attempt("login", now=now - timedelta(minutes=16))
    attempt_limits.register_attempt("code", now=now)

    forgotten = retention.prune(now=now)

    assert forgotten == {
        "sessions": 1,
        "password resets": 0,
        "invitations": 1,
        "idempotency keys": 0,
        "login attempts": 1,
    }
    assert (list(Session.objects.all()), list(ours.invitations.all())) == ([live], [waiting])
    assert ours.audit_entries.count() == 1
