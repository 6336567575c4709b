"""Whole days of a time zone, which begin and end with its instants."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Days:
    """From the first day to the last one, which is among them."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def since(self) -> datetime:
        """The first instant."""
        return datetime.combine(self.first, time.min, self.zone)

    @property
    def until(self) -> datetime:
        """The first instant that is not in them any more."""
        return datetime.combine(self.last + timedelta(days=1), time.min, self.zone)

    @property
    def amount(self) -> int:
        """How many days they are."""
        return (self.last - self.first).days + 1
