"""Counts calls by the hour, for the figures of long spans.

Figures are exact without it, too; they are read from the calls until an hour has been counted.
"""

from telephony.services.hourly_counts import count_hours

COUNT_INTERVAL_SECONDS = 15.0


def count_calls() -> None:
    """Do one round. Raises OperationalError or InterfaceError when the database is unreachable."""
    count_hours()
