"""Django imports this module; importing the others registers their pages."""

from batches.admin import (
    batches,
    callbacks,
    column_mappings,
    recipient_counts,
    recipients,
    saved_reports,
    suppressions,
)

__all__ = [
    "batches",
    "callbacks",
    "column_mappings",
    "recipient_counts",
    "recipients",
    "saved_reports",
    "suppressions",
]
