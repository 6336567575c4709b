"""Tenancy of tables: forgetting the workspace in a query is an error, not a leak.

`Model.objects` of a tenant table raises. Rows are reached by `workspace.<relation>`,
`parent.<relation>` or the conspicuous `Model.unscoped`. The latter is also Django's default
manager, so that `full_clean`, migrations and related managers work as usual.
"""

from typing import Any, ClassVar, NoReturn, Self

from django.db import models


class UnscopedQueryError(Exception):
    """A query of every workspace's rows that did not ask for them explicitly. Always a bug."""


class ForbiddenManager(models.Manager[Any]):
    """Occupies the usual name `objects` and raises for every method."""

    def get_queryset(self) -> NoReturn:
        """Raises UnscopedQueryError. Every other method of a manager comes through here."""
        name = self.model.__name__
        raise UnscopedQueryError(
            f"Use workspace.<relation>, or {name}.unscoped if you mean every workspace."
        )


class NoDefaultManagerModel(models.Model):
    """Base of tables that can only be queried through `unscoped` or a relation."""

    # The first manager is Django's default one, which related managers and migrations use.
    unscoped: ClassVar[models.Manager[Self]] = models.Manager()
    objects = ForbiddenManager()

    class Meta:
        abstract = True
        default_manager_name = "unscoped"


class WorkspaceOwned(NoDefaultManagerModel):
    """Base of every tenant table. Each declares `workspace` with its own related_name.

    A workspace cannot be deleted while it has rows of a table with `keeps_workspace`, because they
    represent something outside this system.
    """

    keeps_workspace: ClassVar[bool] = False

    class Meta(NoDefaultManagerModel.Meta):
        abstract = True
