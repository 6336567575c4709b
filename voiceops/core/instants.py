"""Instants in the formats that clients write."""

from datetime import UTC, datetime, time

from django.utils.dateparse import parse_date, parse_datetime


def parse_instant(text: str) -> datetime:
    """Return the instant (UTC) of an ISO 8601 date and time, or of a date's midnight.

    Without an offset it is read as UTC. Raises ValueError for anything else.
    """
    day = parse_date(text)
    instant = datetime.combine(day, time()) if day else parse_datetime(text)
    if instant is None:
        raise ValueError(f"not an ISO 8601 date or time: {text}")
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"outside the calendar: {text}") from error
