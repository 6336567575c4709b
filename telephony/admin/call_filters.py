"""The filters of the calls' list, each of which uses an index."""

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.models import Workspace
from accounts.staff.filters import dates, recent_values_filter, row_filter
from agents.models import Agent
from telephony.models import Call, PhoneNumber
from telephony.models.calls import LISTED
from voiceops.core.extension_points import ExtensionPoint


class OriginPages(NamedTuple):
    """Admin pages that show where a call came from, by URL name, and the batches there are."""

    batch: str
    recipient: str
    batch_rows: Callable[[], QuerySet[Any]]


# Batches lie above telephony, which must not name their pages itself.
ORIGIN_PAGES: ExtensionPoint[OriginPages] = ExtensionPoint("admin pages of a call's origin")


def _of_workspace(calls: QuerySet[Call], pk: str) -> QuerySet[Call]:
    # The index holds the calls that the API lists, without attempts that were never sent.
    return calls.filter(LISTED, workspace_id=UUID(pk))


def _of_batch(calls: QuerySet[Call], pk: str) -> QuerySet[Call]:
    return _of_workspace_with(calls, ORIGIN_PAGES.get().batch_rows(), pk, Q(batch_id=pk))


def _of_agent(calls: QuerySet[Call], pk: str) -> QuerySet[Call]:
    return _of_workspace_with(calls, Agent.unscoped.all(), pk, Q(agent=pk))


def _of_workspace_with(
    calls: QuerySet[Call], rows: QuerySet[Any], pk: str, condition: Q
) -> QuerySet[Call]:
    """Return the calls of a row; the indexes by batch and by agent begin with the workspace."""
    workspace_id = rows.filter(pk=pk).values_list("workspace_id", flat=True).first()
    return calls.filter(LISTED, condition, workspace=workspace_id) if workspace_id else calls.none()


def _label(row: Any) -> str:
    name = row.phone_number if isinstance(row, PhoneNumber) else row.name
    return f"{row.workspace.name}: {name}"


CALL_FILTERS = (
    row_filter(
        "workspace",
        "workspace",
        lambda: Workspace.unscoped.order_by("name", "pk"),
        label=lambda workspace: workspace.name,
        narrow=_of_workspace,
    ),
    row_filter(
        "batch",
        "batch",
        lambda: ORIGIN_PAGES.get().batch_rows().select_related("workspace").order_by("-pk"),
        label=_label,
        narrow=_of_batch,
    ),
    row_filter(
        "agent",
        "agent",
        lambda: Agent.unscoped.select_related("workspace").order_by("workspace__name", "name"),
        label=_label,
        narrow=_of_agent,
    ),
    row_filter(
        "number",
        "number",
        lambda: PhoneNumber.unscoped.select_related("workspace").order_by("workspace__name", "pk"),
        label=_label,
    ),
    dates(),
    "outcome",
    "stage",
    "direction",
    "has_recording",
    recent_values_filter("detected"),
)
