from django.db import models


class Role(models.IntegerChoices):
    """What a member or an API key may do in a workspace. Each role includes the lower ones."""

    MEMBER = 10, "member"
    MANAGER = 20, "manager"
    ADMIN = 30, "admin"

    @classmethod
    def from_label(cls, label: str) -> "Role":
        """Return the role `member`, `manager` or `admin`. Raises KeyError for any other label."""
        return {str(role.label): role for role in cls}[label]
