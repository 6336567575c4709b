from batches.models.batches import (
    Batch,
    Recipient,
    RecipientQuerySet,
    RejectedRow,
    SavedMapping,
    Suppression,
    default_retry,
)

__all__ = ["Batch", "Recipient", "RecipientQuerySet", "RejectedRow", "SavedMapping", "Suppression", "default_retry"]
