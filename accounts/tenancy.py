"""Forgetting the workspace is an error, not a leak: `Model.objects` of a tenant table refuses to
serve.

The ways in are `workspace.<relation>`, `parent.<relation>` and the loud `Model.unscoped`, which is
Django's default manager too, so that `full_clean`, migrations and related managers work untouched.
"""

from typing import Any, ClassVar, NoReturn, Self

from django.db import models


class UnscopedQueryError(Exception):
    """Somebody asked for every workspace's rows without saying so. A bug, never an answer to a
    caller.
    """


class ForbiddenManager(models.Manager[Any]):
    """Takes the habitual name `objects` and refuses to serve, whichever method is asked."""

    def get_queryset(self) -> NoReturn:
        name = self.model.__name__
        raise UnscopedQueryError(
            f"Use workspace.<relation>, or {name}.unscoped if you mean every workspace."
        )


class NoDefaultManagerModel(models.Model):
    unscoped: ClassVar[models.Manager[Self]] = models.Manager()
    objects = ForbiddenManager()

    class Meta:
        abstract = True
        default_manager_name = "unscoped"


class WorkspaceOwned(NoDefaultManagerModel):
    """Base of every tenant table; each declares `workspace` with its own related_name.

    `keeps_workspace` marks rows that stand for something outside: a workspace that has any is not
    deleted.
    """

    keeps_workspace: ClassVar[bool] = False

    class Meta(NoDefaultManagerModel.Meta):
        abstract = True
