"""Registering a user with a workspace of their own."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User, canonical_email
from accounts.services.address_proof import send_verification
from accounts.services.workspaces import create_workspace
from voiceops.core.errors import Conflict

MAX_WORKSPACE_NAME = 100


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
