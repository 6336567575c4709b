"""The members of a workspace, and those invited to it."""

from typing import ClassVar

from django.db import models

from accounts.models.users import User
from accounts.models.workspaces import Workspace
from accounts.roles import Role
from accounts.tenancy import WorkspaceOwned
from voiceops.core.ids import uuid7


class Membership(WorkspaceOwned):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.PositiveSmallIntegerField(choices=Role)
    created_at = models.DateTimeField(auto_now_add=True)

    unscoped: ClassVar[models.Manager["Membership"]] = models.Manager()

    class Meta(WorkspaceOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["workspace", "user"], name="membership_once")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.workspace}"


class Invitation(WorkspaceOwned):
    """An invitation to a workspace. Its token is sent by e-mail; only a hash of it is stored."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.PositiveSmallIntegerField(choices=Role)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="sent_invitations"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)

    unscoped: ClassVar[models.Manager["Invitation"]] = models.Manager()

    class Meta(WorkspaceOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "email"],
                condition=models.Q(accepted_at=None),
                name="invitation_open_once",
            )
        ]

    def __str__(self) -> str:
        return f"invitation of {self.email}"
