"""Recipients that were skipped, cancelled or closed without the end of a call, for webhooks."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import Exists, OuterRef

from accounts.models import Workspace
from batches.models import Recipient


def workspaces_with_unreported(workspace_ids: Collection[UUID]) -> list[UUID]:
    """Return those of the workspaces that have such recipients."""
    unreported = Recipient.unscoped.filter(workspace=OuterRef("pk"), unreported_at__isnull=False)
    workspaces = Workspace.unscoped.filter(Exists(unreported), pk__in=workspace_ids)
    return list(workspaces.order_by("pk").values_list("pk", flat=True))


def pop_unreported(
    workspace_ids: Collection[UUID], *, limit: int, except_ids: Collection[UUID] = ()
) -> list[Recipient]:
    """Return up to `limit` of them, in file order, and forget that they are unreported.

    Inside the caller's transaction, which stores what is sent about them. One that is being called
    again at this moment is left out.
    """
    waiting = Recipient.unscoped.filter(workspace__in=workspace_ids, unreported_at__isnull=False)
    if except_ids:
        waiting = waiting.exclude(pk__in=except_ids)
    locked = waiting.select_related("batch").select_for_update(of=("self",), skip_locked=True)
    found = sorted(locked[:limit], key=lambda row: (row.unreported_at, row.row_number))
    Recipient.unscoped.filter(pk__in=[row.pk for row in found]).update(unreported_at=None)
    return found
