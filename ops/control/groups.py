"""Groups of staff who are no superusers, made by every `migrate`.

Their permissions are these, whatever was changed in the database. A group of another name is left
alone.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

WORK = ("agents", "telephony", "batches", "webhooks")


class Grant(NamedTuple):
    """Permissions for tables of an app; without `models`, for all of them."""

    app: str
    verbs: tuple[str, ...]
    models: tuple[str, ...] = ()

    def condition(self) -> Q:
        """Return the condition that finds the permissions."""
        if self.models:
            codenames = [f"{verb}_{model}" for verb in self.verbs for model in self.models]
            return Q(content_type__app_label=self.app, codename__in=codenames)
        verbs = Q.create([("codename__startswith", f"{verb}_") for verb in self.verbs], Q.OR)
        return Q(content_type__app_label=self.app) & verbs


def _of_work(*verbs: str) -> Iterator[Grant]:
    return (Grant(app, verbs) for app in WORK)


OF_EVERY_WORKSPACE = Grant("accounts", ("view",), ("every_workspace",))
WITH_PERSONAL_DATA = Grant("accounts", ("view",), ("personal_data",))
STAFF_GROUPS: dict[str, tuple[Grant, ...]] = {
    # Everything but users, keys and erasure.
    "Operator": (
        *_of_work("view", "add", "change", "delete"),
        Grant("accounts", ("view", "add", "change"), ("workspace",)),
        Grant("accounts", ("view",), ("membership", "invitation", "auditentry")),
        OF_EVERY_WORKSPACE,
        WITH_PERSONAL_DATA,
    ),
    # Reads, with numbers masked and no conversation.
    "Analyst": (
        *_of_work("view"),
        Grant("accounts", ("view",), ("workspace",)),
        OF_EVERY_WORKSPACE,
    ),
    # Helps the customers of the workspaces of which they are members.
    "Support": (
        *_of_work("view"),
        Grant("batches", ("change",), ("batch", "recipient", "callback")),
        Grant("batches", ("add",), ("suppression",)),
        Grant("accounts", ("view",), ("workspace",)),
        WITH_PERSONAL_DATA,
    ),
}


def create_groups(using: str, **signal: Any) -> None:
    """Make the groups, or give them their permissions again."""
    for name, grants in STAFF_GROUPS.items():
        group, _is_new = Group.objects.using(using).get_or_create(name=name)
        conditions = Q.create([grant.condition() for grant in grants], Q.OR)
        group.permissions.set(Permission.objects.using(using).filter(conditions))
