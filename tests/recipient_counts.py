"""Compares the counts that triggers keep with the recipients themselves."""

from collections import Counter
from typing import Any

from batches.models import Recipient, RecipientCount

Counted = Counter[tuple[Any, ...]]


def kept_counts() -> Counted:
    """Return how many recipients of each key there are, by the counts."""
    kept: Counted = Counter()
    columns = ("batch_id", "status", "outcome", "reason", "has_attempts", "recipients")
    for *key, recipients in RecipientCount.unscoped.values_list(*columns):
        kept[tuple(key)] += recipients
    return Counter({key: count for key, count in kept.items() if count})


def actual_counts() -> Counted:
    """Return the same, by the recipients."""
    rows = Recipient.unscoped.values_list("batch_id", "status", "outcome", "reason", "attempts")
    return Counter(
        (batch_id, status, outcome or "", reason or "", attempts > 0)
        for batch_id, status, outcome, reason, attempts in rows
    )
