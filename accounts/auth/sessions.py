"""Sessions: each login is a row. Ending the row ends every token that was issued for it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from accounts import audit
from accounts.auth import tokens
from accounts.auth.principal import Principal
from accounts.models import Session, User
from voiceops.core.ids import uuid7

MAX_SESSION_AGE = timedelta(days=30)  # however often it is refreshed (OWASP ASVS 7.3.2)
# How long a spent refresh token still returns the pair it made (docs/reference/api-contract.md §4).
REPLAY_WINDOW = timedelta(seconds=10)
MAX_SPENT_BEFORE = 20  # a client that refreshes more often than that does not wait for its answers


class InvalidCredentialsError(Exception):
    """A login or token is not accepted; the message may be shown to the client (401)."""


@dataclass(frozen=True)
class TokenPair:
    user: User
    access_token: str
    refresh_token: str


def open_session(*, user: User, now: datetime) -> TokenPair:
    """Create a session and return its first pair of tokens."""
    session_id = uuid7()
    pair = _issue_pair(user, session_id, now)
    Session.objects.create(
        id=session_id,
        user=user,
        refresh_hash=tokens.hash_token(pair.refresh_token),
        refreshed_at=now,
        expires_at=tokens.refresh_expiry(now),
    )
    return pair


def refresh_session(*, token: str, now: datetime, ip: str | None) -> TokenPair:
    """Spend a refresh token and return its successors; one token ever makes one pair.

    A token that was spent within the last ten seconds returns the same pair again, also when that
    pair's own token has been spent since: two tabs refresh at once, or an answer was lost. One that
    was spent before that is in the hands of a thief, or of the owner after a thief, so the session
    ends.

    Raises InvalidCredentialsError.
    """
    session = _find_refreshable(token)
    if not session.is_live(now):
        raise InvalidCredentialsError(tokens.INVALID_TOKEN)
    presented_hash = tokens.hash_token(token)
    if session.refresh_hash == presented_hash:
        pair = _issue_pair(session.user, session.pk, now, presented_hash)
        if _spend(session, presented_hash, pair, now):
            return pair
        # Another request has just spent the token: this one gets the same pair.
        session.refresh_from_db(
            fields=["previous_refresh_hash", "refreshed_at", "spent_before", "revoked_at"]
        )
        if session.revoked_at is not None:
            raise InvalidCredentialsError(tokens.INVALID_TOKEN)
    if (spent_at := _just_spent(session, now).get(presented_hash)) is not None:
        return _issue_pair(session.user, session.pk, spent_at, presented_hash)

    end_session(session=session, now=now)
    principal = Principal.for_user(session.user, ip=ip)
    audit.record("session.token_reused", principal=principal, target=session)
    raise InvalidCredentialsError(tokens.INVALID_TOKEN)


def _issue_pair(user: User, session_id: UUID, now: datetime, successor_of: str = "") -> TokenPair:
    """A pair of tokens; for one `now`, that which follows a spent token is always the same."""
    access_token, refresh_token = (
        tokens.issue_token(
            kind, user_id=user.pk, session_id=session_id, now=now, successor_of=successor_of
        )
        for kind in (tokens.ACCESS, tokens.REFRESH)
    )
    return TokenPair(user, access_token, refresh_token)


def _spend(session: Session, presented_hash: str, pair: TokenPair, now: datetime) -> bool:
    """Replace the session's refresh token. Returns whether this request is the one that did."""
    spent_before = list(_just_spent(session, now).items())
    unspent = Session.objects.filter(pk=session.pk, refresh_hash=presented_hash, revoked_at=None)
    return bool(
        unspent.update(
            refresh_hash=tokens.hash_token(pair.refresh_token),
            previous_refresh_hash=presented_hash,
            spent_before=[[name, at.isoformat()] for name, at in spent_before[-MAX_SPENT_BEFORE:]],
            refreshed_at=now,
            expires_at=min(tokens.refresh_expiry(now), session.created_at + MAX_SESSION_AGE),
        )
    )


def _just_spent(session: Session, now: datetime) -> dict[str, datetime]:
    """Return the hashes of the session's tokens that were spent until a moment ago, and when."""
    spent = {name: datetime.fromisoformat(at) for name, at in session.spent_before}
    if session.previous_refresh_hash:
        spent[session.previous_refresh_hash] = session.refreshed_at
    return {name: at for name, at in spent.items() if now - at <= REPLAY_WINDOW}


def end_session(*, session: Session, now: datetime) -> None:
    """End the session and with it all its tokens. Ending it twice changes nothing."""
    Session.objects.filter(pk=session.pk, revoked_at=None).update(revoked_at=now)


def end_session_by(*, session: Session, principal: Principal, now: datetime) -> None:
    """End another user's session. The audit log records who did."""
    end_session(session=session, now=now)
    audit.record("session.ended", principal=principal, target=session)


def end_other_sessions(*, user: User, keep: Session | None, now: datetime) -> None:
    """End all sessions of the user except `keep`."""
    live = Session.objects.filter(user=user, revoked_at=None)
    if keep is not None:
        live = live.exclude(pk=keep.pk)
    live.update(revoked_at=now)


def find_session(token: str) -> Session | None:
    """Return the session of a token of ours, of either kind and also when it has expired."""
    try:
        claims = tokens.decode_token(token, allow_expired=True)
    except tokens.InvalidTokenError:
        return None
    rows = Session.objects.select_related("user__default_workspace")
    return rows.filter(pk=claims.session_id, user=claims.user_id).first()


def _find_refreshable(token: str) -> Session:
    """Return the session of a refresh token. Raises InvalidCredentialsError, as documented."""
    try:
        claims = tokens.decode_token(token)
    except tokens.ExpiredTokenError as error:
        raise InvalidCredentialsError("Token expired") from error
    except tokens.InvalidTokenError as error:
        raise InvalidCredentialsError(tokens.INVALID_TOKEN) from error

    user = User.objects.filter(pk=claims.user_id).select_related("default_workspace").first()
    if user is None or not user.is_active:
        raise InvalidCredentialsError("User not found")
    session = user.sessions.filter(pk=claims.session_id).first()
    if session is None or claims.kind != tokens.REFRESH:
        raise InvalidCredentialsError(tokens.INVALID_TOKEN)
    session.user = user
    return session
