"""Logins: each is a row, and ending the row ends every token that grew from it with the next
request.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.hashers import make_password

from accounts import audit
from accounts.auth import tokens
from accounts.auth.principal import Principal
from accounts.models import Session, User, canonical_email
from voiceops.core.ids import uuid7

LONGEST = timedelta(days=30)  # however often it is refreshed (OWASP ASVS 7.3.2)


class RefusedError(Exception):
    """A login or a token that does not hold; the message is what the caller may read (401)."""


@dataclass(frozen=True)
class TokenPair:
    user: User
    access_token: str
    refresh_token: str


def check_password(*, email: str, password: str, ip: str | None) -> User:
    """The user with these credentials. Raises RefusedError, the same for every reason and after the
    same work.
    """
    user = (
        User.objects.filter(email=canonical_email(email))
        .select_related("default_workspace")
        .first()
    )
    if user is None:
        make_password(
            password
        )  # takes as long as comparing would: the answer's time must not tell who exists
        audit.record("user.login_failed", principal=Principal(ip=ip))
        raise RefusedError("Invalid email or password")
    if not user.check_password(password) or not user.is_active:
        audit.record("user.login_failed", principal=Principal.for_user(user, ip=ip), target=user)
        raise RefusedError("Invalid email or password")
    return user


def open_session(*, user: User, now: datetime) -> TokenPair:
    """Start a family of refresh tokens."""
    session_id = uuid7()
    refresh = tokens.issue(tokens.REFRESH, user_id=user.pk, session_id=session_id, now=now)
    Session.objects.create(
        id=session_id,
        user=user,
        refresh_hash=tokens.hash_of(refresh),
        refreshed_at=now,
        expires_at=tokens.expiry_of_refresh(now),
    )
    return TokenPair(
        user, tokens.issue(tokens.ACCESS, user_id=user.pk, session_id=session_id, now=now), refresh
    )


def refresh_session(*, token: str, now: datetime, ip: str | None) -> TokenPair:
    """Spend a refresh token for a new pair. Raises RefusedError.

    However many race with one token, the conditional UPDATE lets one win; those that lose to it
    after having seen the token unspent are only refused. A token seen spent is a stolen one or its
    thief's: the family ends.
    """
    session = _session_of(token)
    if not session.is_live(now):
        raise RefusedError("Invalid or missing token")
    spent = tokens.hash_of(token)
    if session.refresh_hash != spent:
        end_session(session=session, now=now)
        audit.record(
            "session.token_reused",
            principal=Principal.for_user(session.user, ip=ip),
            target=session,
        )
        raise RefusedError("Invalid or missing token")
    ids = {"user_id": session.user_id, "session_id": session.pk}
    refresh = tokens.issue(tokens.REFRESH, **ids, now=now)
    unspent = Session.objects.filter(pk=session.pk, refresh_hash=spent, revoked_at=None)
    won = unspent.update(
        refresh_hash=tokens.hash_of(refresh),
        refreshed_at=now,
        expires_at=min(tokens.expiry_of_refresh(now), session.created_at + LONGEST),
    )
    if not won:
        raise RefusedError("Invalid or missing token")
    return TokenPair(session.user, tokens.issue(tokens.ACCESS, **ids, now=now), refresh)


def end_session(*, session: Session, now: datetime) -> None:
    Session.objects.filter(pk=session.pk, revoked_at=None).update(revoked_at=now)


def end_for(*, session: Session, principal: Principal, now: datetime) -> None:
    """Somebody else ends it."""
    end_session(session=session, now=now)
    audit.record("session.ended", principal=principal, target=session)


def end_other_sessions(*, user: User, keep: Session | None, now: datetime) -> None:
    """Log a person out everywhere else."""
    live = Session.objects.filter(user=user, revoked_at=None)
    (live.exclude(pk=keep.pk) if keep else live).update(revoked_at=now)


def find_session(token: str | None) -> Session | None:
    """The session of a token that verifies, whatever its kind and also when it is over; to be
    ended.
    """
    try:
        claims = tokens.read(token or "", even_expired=True)
    except tokens.BadTokenError:
        return None
    rows = Session.objects.select_related("user__default_workspace")
    return rows.filter(pk=claims.session_id, user=claims.user_id).first()


def _session_of(token: str) -> Session:
    try:
        claims = tokens.read(token)
    except tokens.ExpiredTokenError as error:
        raise RefusedError("Token expired") from error
    except tokens.BadTokenError as error:
        raise RefusedError("Invalid or missing token") from error
    user = User.objects.filter(pk=claims.user_id).select_related("default_workspace").first()
    if user is None or not user.is_active:
        raise RefusedError("User not found")
    session = user.sessions.filter(pk=claims.session_id).first()
    if session is None or claims.kind != tokens.REFRESH:
        raise RefusedError("Invalid or missing token")
    session.user = user
    return session
