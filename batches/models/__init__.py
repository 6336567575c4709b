from batches.models.batches import Batch, default_retry
from batches.models.callbacks import Callback
from batches.models.column_mappings import SavedMapping
from batches.models.recipient_counts import RecipientCount
from batches.models.recipients import Recipient, RejectedRow
from batches.models.saved_reports import ReportSubscription, SavedReport
from batches.models.suppression_imports import SuppressionImport
from batches.models.suppressions import Suppression, SuppressionQuerySet

__all__ = [
    "Batch",
    "Callback",
    "Recipient",
    "RecipientCount",
    "RejectedRow",
    "ReportSubscription",
    "SavedMapping",
    "SavedReport",
    "Suppression",
    "SuppressionImport",
    "SuppressionQuerySet",
    "default_retry",
]
