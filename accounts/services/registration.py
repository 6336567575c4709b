from django.db import IntegrityError, transaction

from accounts.models import User, canonical_email
from accounts.services.workspaces import create_workspace
from voiceops.core.errors import Conflict


def register_user(
    *, email: str, password: str, name: str, workspace_name: str, ip: str | None
) -> User:
    """A new person, admin of a new workspace, which is their default. Raises Conflict."""
    try:
        with transaction.atomic():
            user = User.objects.create_user(email, password, name=name)
            create_workspace(name=workspace_name, user=user, ip=ip)
    except IntegrityError as error:
        if User.objects.filter(email=canonical_email(email)).exists():
            raise Conflict("Email already registered") from error
        raise
    return user
