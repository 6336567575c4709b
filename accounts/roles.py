from django.db import models


class Role(models.IntegerChoices):
    """What a member or a key may do in one workspace; each role may do all that the lower ones may."""

    MEMBER = 10, "member"
    MANAGER = 20, "manager"
    ADMIN = 30, "admin"

    @classmethod
    def from_label(cls, label: str) -> "Role":
        """The role called `member`, `manager` or `admin`. Raises KeyError for anything else."""
        return {str(role.label): role for role in cls}[label]
