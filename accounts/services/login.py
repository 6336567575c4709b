"""Logging in and out: credentials, sessions, `last_login` and the audit log."""

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.hashers import make_password

from accounts import audit
from accounts.auth import attempt_limits, second_factor, sessions
from accounts.auth.principal import Principal
from accounts.auth.sessions import InvalidCredentialsError, TokenPair
from accounts.models import User, Workspace, canonical_email
from voiceops.core.errors import Invalid

LOGIN_FAILED = "user.login_failed"
INVALID_CREDENTIALS = "Invalid email or password"
SECOND_FACTOR_REQUIRED = "Second factor required"
TOO_MANY_CODES = "Too many wrong codes: wait a quarter of an hour"


def log_in(
    *, email: str, password: str, ip: str | None, now: datetime, code: str = ""
) -> TokenPair:
    """Check the credentials and open a session; `code` is that of a user with a second factor.

    Raises InvalidCredentialsError, with one message for every reason that concerns the password.
    """
    user = _check_credentials(email, password, ip)
    _check_second_factor(user, code, ip, now)
    return start_session(user=user, ip=ip, now=now)


def start_session(
    *, user: User, ip: str | None, now: datetime, workspace: Workspace | None = None
) -> TokenPair:
    """Open a session for a user whose identity is proven, and record the login.

    The audit entry belongs to `workspace`, or to the user's default workspace.
    """
    pair = sessions.open_session(user=user, now=now)
    user.last_login = now
    user.save(update_fields=["last_login"])
    principal = Principal.for_user(user, workspace=workspace, ip=ip)
    audit.record("user.logged_in", principal=principal, target=user)
    return pair


def log_out(*, tokens: Iterable[str], ip: str | None, now: datetime) -> None:
    """End the session of the first token that has one. Logging out twice is not an error."""
    for token in tokens:
        session = sessions.find_session(token)
        if session is not None:
            sessions.end_session(session=session, now=now)
            principal = Principal.for_user(session.user, ip=ip)
            audit.record("user.logged_out", principal=principal, target=session)
            return


def record_admin_login(*, user: User, ip: str | None) -> None:
    """Record that a member of staff logged in to the admin, which has sessions of its own."""
    principal = Principal.for_user(user, ip=ip)
    audit.record("user.logged_in", principal=principal, target=user, changes={"to": "admin"})


def record_failed_login(*, user: User | None, ip: str | None) -> None:
    """Record a failed login, unless the same failed often lately; `user` is None when no user has
    the address.
    """
    principal = Principal.for_user(user, ip=ip) if user else Principal(ip=ip)
    if not audit.is_repeated(LOGIN_FAILED, principal=principal, target=user):
        audit.record(LOGIN_FAILED, principal=principal, target=user)


def _check_credentials(email: str, password: str, ip: str | None) -> User:
    """Return the user with these credentials. Raises InvalidCredentialsError."""
    users = User.objects.select_related("default_workspace")
    user = users.filter(email=canonical_email(email)).first()
    if user is None:
        # Hashing takes as long as comparing would: the time must not reveal which users exist.
        make_password(password)
        is_accepted = False
    else:
        is_accepted = user.check_password(password) and user.is_active
    if user is None or not is_accepted:
        record_failed_login(user=user, ip=ip)
        raise InvalidCredentialsError(INVALID_CREDENTIALS)
    return user


def _check_second_factor(user: User, code: str, ip: str | None, now: datetime) -> None:
    """Raises InvalidCredentialsError when the user has a second factor that `code` is not of."""
    factor = second_factor.find_confirmed(user)
    if factor is None:
        return
    if not code:
        raise InvalidCredentialsError(SECOND_FACTOR_REQUIRED)
    # Counted before the code is judged, together with those of the admin.
    if attempt_limits.register_attempt("code", user.pk, now=now):
        raise InvalidCredentialsError(TOO_MANY_CODES)
    principal = Principal.for_user(user, ip=ip)
    try:
        second_factor.verify(factor=factor, code=code, now=now, principal=principal)
    except Invalid as refusal:
        raise InvalidCredentialsError(str(refusal)) from refusal
    attempt_limits.reset_attempts("code", user.pk)
