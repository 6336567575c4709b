"""Registering a user with a workspace of their own."""

from django.core import signing
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User, canonical_email
from accounts.services.address_proof import send_verification
from accounts.services.workspaces import create_workspace
from voiceops.core.errors import Conflict, NotFound

MAX_WORKSPACE_NAME = 100
FIRST_USER_SALT = "accounts.first_user"
FIRST_USER_LINK_SECONDS = 24 * 3600


def register_user(
    *,
    email: str,
    password: str,
    name: str,
    ip: str | None,
    workspace_name: str | None = None,
) -> User:
    """Create a user who is admin of a new workspace, which is their default.

    Without `workspace_name` the workspace is named after the user. An e-mail lets them prove their
    address. Raises Conflict when the address
    is registered already.
    """
    if workspace_name is None:
        owner = name or email.partition("@")[0]
        workspace_name = f"{owner}'s workspace"[:MAX_WORKSPACE_NAME]
    try:
        with transaction.atomic():
            user = User.objects.create_user(email, password, name=name)
            create_workspace(name=workspace_name, user=user, ip=ip)
    except IntegrityError as error:
        # The constraint, not a query beforehand, decides: two may register at once.
        if User.objects.filter(email=canonical_email(email)).exists():
            raise Conflict("Email already registered") from error
        raise
    # After the commit; one that is lost can be replaced by a reset of the password.
    send_verification(user=user, now=timezone.now())
    return user


def has_users() -> bool:
    """Whether anyone has an account yet."""
    return User.objects.exists()


def first_user_token() -> str:
    """Return what proves to an empty installation that its operator is asking.

    It works for a day and until the first account exists, hence once.
    """
    return signing.dumps("operator", salt=FIRST_USER_SALT)


def require_first_user_token(token: str) -> None:
    """Raises NotFound for another token than `first_user_token`, and once there is an account."""
    try:
        signing.loads(token, salt=FIRST_USER_SALT, max_age=FIRST_USER_LINK_SECONDS)
    except signing.BadSignature as error:
        raise NotFound("This link has expired") from error
    if has_users():
        raise NotFound("This link was used: there is an account already")


def register_first_user(
    *, token: str, email: str, password: str, name: str, workspace_name: str, ip: str | None
) -> User:
    """Create the operator's account, which may also use the admin.

    Whoever has the token can read this server's output, so the address counts as proven. Raises
    NotFound as `require_first_user_token` does.
    """
    with transaction.atomic():
        require_first_user_token(token)
        user = User.objects.create_user(
            email,
            password,
            name=name,
            is_staff=True,
            is_superuser=True,
            email_proven_at=timezone.now(),
        )
        create_workspace(name=workspace_name, user=user, ip=ip)
    return user
