"""Ranges of days of a report: the ready-made ones, a reader's own, and those kept under a name.

A range is wholly in the address, so that it can be bookmarked and sent to a colleague.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from batches.reporting.days import Days

DEFAULT = "7"
OWN = "own"
# The API counts by hour, which the days of a zone are made of, over so many days.
MAX_DAYS_BY_HOUR = 61
MAX_DAYS = 3_650
MAX_DIGITS = 4


class BadRange(ValueError):
    """The days of the address are no range; the text says why."""


class ReportRange(Days):
    """Whole days in the reader's zone; the last one may not be over."""

    @property
    def days(self) -> list[date]:
        """Every day of the range."""
        return [self.first + timedelta(days=day) for day in range(self.amount)]

    @property
    def is_one_day(self) -> bool:
        """Whether it is drawn by the hour."""
        return self.first == self.last

    @property
    def group_by(self) -> str:
        """What the API groups by: hours, or days of UTC where there are too many hours."""
        return "hour" if self.amount <= MAX_DAYS_BY_HOUR else "day"

    @property
    def query(self) -> dict[str, str]:
        """The range as the API wants it."""
        return {"from": self.since.isoformat(), "to": self.until.isoformat()}


def choices() -> list[tuple[str, str]]:
    """Return the ready-made ranges, for links."""
    return [("today", _("Today")), ("7", _("7 days")), ("30", _("30 days"))]


def range_of(query: Mapping[str, Any], zone: ZoneInfo, now: datetime) -> ReportRange:
    """Return the range that an address names. Raises BadRange."""
    today = now.astimezone(zone).date()
    chosen = query.get("range", DEFAULT)
    if chosen != OWN:
        return ReportRange(today - timedelta(days=days_of(chosen) - 1), today, zone)
    try:
        first, last = (date.fromisoformat(query.get(name, "")) for name in ("from", "to"))
    except ValueError as error:
        raise BadRange(_("Choose a first and a last day.")) from error
    if first > last:
        raise BadRange(_("The first day must not be after the last one."))
    if (last - first).days >= MAX_DAYS or not date.min < first <= last < date.max:
        raise BadRange(_("Choose at most ten years."))
    return ReportRange(first, last, zone)


def days_of(chosen: str) -> int:
    """Return how many days a range has that ends today."""
    if chosen == "today":
        return 1
    is_number = chosen.isascii() and chosen.isdecimal() and len(chosen) <= MAX_DIGITS
    return int(chosen) if is_number and 0 < int(chosen) <= MAX_DAYS else int(DEFAULT)


def query_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the query of a range, of the fields of a form or an address."""
    chosen = values.get("range", DEFAULT)
    names = ("range", "from", "to") if chosen == OWN else ("range",)
    return {name: str(values.get(name, "")) for name in names}


def saved_query(report: Mapping[str, Any]) -> dict[str, str]:
    """Return the query of a range that the API has kept under a name."""
    if report["days"] is None:
        return {"range": OWN, "from": report["first_day"], "to": report["last_day"]}
    return {"range": "today" if report["days"] == 1 else str(report["days"])}


def body_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the range of a form as the API keeps it."""
    query = query_of(values)
    if query["range"] == OWN:
        return {"first_day": query["from"], "last_day": query["to"]}
    return {"days": days_of(query["range"])}
