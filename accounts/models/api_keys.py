from datetime import datetime
from typing import ClassVar

from django.db import models

from accounts.models.users import User
from accounts.models.workspaces import Workspace
from accounts.roles import Role
from accounts.tenancy import WorkspaceOwned
from voiceops.core.ids import uuid7
from voiceops.core.ip_networks import is_within


class ApiKey(WorkspaceOwned):
    """A program's credential.

    Only a hash of the key is stored. `prefix` is its public part, by which the row is found.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    role = models.PositiveSmallIntegerField(choices=Role)
    prefix = models.CharField(max_length=16, unique=True)
    key_hash = models.CharField(max_length=64)
    allowed_addresses = models.JSONField(
        default=list, blank=True, help_text="IP addresses and networks that may use it; empty: all"
    )
    created_by = models.ForeignKey(
        User, models.CASCADE, null=True, blank=True, related_name="created_api_keys"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    unscoped: ClassVar[models.Manager["ApiKey"]] = models.Manager()

    class Meta(WorkspaceOwned.Meta):
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.prefix} {self.name}"

    def is_usable(self, *, now: datetime, ip: str | None) -> bool:
        """Whether the key is in force, its creator active and `ip` allowed."""
        if self.revoked_at or (self.expires_at and self.expires_at <= now):
            return False
        # A key acts for its creator and ends with them.
        if self.created_by and not self.created_by.is_active:
            return False
        return not self.allowed_addresses or is_within(ip, tuple(self.allowed_addresses))
