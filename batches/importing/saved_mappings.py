"""The column mappings a workspace has saved, for lists uploaded without a mapping of their own."""

from uuid import UUID

from batches.importing.columns import SavedColumnMapping
from batches.models import SavedMapping

# The newest ones; a workspace with more has to name the mapping it wants.
MAX_SAVED_MAPPINGS = 500


def load_saved_mappings(workspace_id: UUID) -> list[SavedColumnMapping]:
    """Return the workspace's newest saved mappings, newest first."""
    rows = SavedMapping.unscoped.filter(workspace=workspace_id).order_by("-pk")[:MAX_SAVED_MAPPINGS]
    return [
        SavedColumnMapping(*row)
        for row in rows.values_list("pk", "column_mapping", "default_country")
    ]
