"""Counts calls by the hour, and adds up the counts of recipients, so that figures are read fast.

Figures are exact without it, too; they are read from more rows until a round was here.
"""

from batches.services.recipient_counts import fold_counts
from telephony.services.hourly_counts import count_hours
from voiceops.core.isolation import run_isolated

COUNT_INTERVAL_SECONDS = 15.0


def keep_counts() -> None:
    """Do one round. Raises OperationalError or InterfaceError when the database is unreachable."""
    run_isolated(count_hours)
    while run_isolated(fold_counts):
        pass
