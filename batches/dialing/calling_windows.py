"""When a recipient may be called: pure functions of a number, a window and an instant.

    {"days": [1, 2, 3, 4, 5], "start": "09:00", "end": "18:00", "timezone": "recipient"}
    {"spans": [{"days": [1, 2], "start": "10:00", "end": "13:00"}, …], "timezone": "recipient",
     "closed_dates": ["2026-12-24"], "holidays": "recipient"}

Days are ISO weekdays (1 is Monday). A span is open from `start` up to, but not including, `end`, by
the wall clock; `end` may be "24:00", and one that is not later than `start` lies on the next day.
The timezone `recipient` is that of the recipient's list, else that of the number: a number with
several zones must be inside the window in all of them. No window means any time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from batches.dialing.calling_hours import (
    DAY_MINUTES,
    CallingHours,
    Span,
    Stretch,
    common_opening,
)
from batches.dialing.number_regions import region_of
from batches.dialing.number_zones import Place, place_of
from batches.models import Batch

RECIPIENT = "recipient"
WINDOW_CLOSED = "window_closed"
ZONE_UNKNOWN = "zone_unknown"
EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)
Window = Mapping[str, Any]


class Clock(NamedTuple):
    """What decides when a number may be called: the zones that must be open, and its country.

    Without zones it waits for a human, because nobody knows its time.
    """

    zones: tuple[str, ...]
    country: str = ""
    region: str = ""  # only where its public holidays matter


class Opening(NamedTuple):
    """When a recipient may be called; None for never. `reason` is why not now, None if now."""

    at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class CallingRules:
    """A calling window, parsed, with what its workspace adds.

    `zone` and `holidays` are `recipient`, or a time zone and a country. `unknown_zone` is what
    happens to numbers whose zone cannot be known: `all` (every possible zone must be open),
    `workspace` (its zone counts) or `review` (a human decides).
    """

    zone: str
    hours: CallingHours
    holidays: str | None = None
    unknown_zone: str = "all"
    workspace_zone: str = "UTC"

    def clock_of(self, e164: str, own_zone: str | None = None) -> Clock:
        """Return the clock of a number; `own_zone` is what the list knows about the recipient:
        a zone, or several with blanks between them."""
        place = place_of(e164)
        return Clock(self._zones_of(place, own_zone), place.country, self.region_of(e164))

    def region_of(self, e164: str) -> str:
        """Return the region whose public holidays matter; empty if none, or if it is unknown."""
        return region_of(e164) if self.holidays == RECIPIENT else ""

    def opening_of(self, clock: Clock, now: datetime) -> Opening:
        """Return the first instant from `now` on at which a number with this clock may be called.

        That is `now` itself while the window is open.
        """
        if not clock.zones:
            return Opening(None, ZONE_UNKNOWN)
        stretch = self.stretch_of(clock, now)
        if stretch is None:
            # Open in each zone, but never in all: it is the zone that is missing, not the hour.
            is_ambiguous = len(clock.zones) > 1 and all(
                self.stretch_of(clock._replace(zones=(zone,)), now) for zone in clock.zones
            )
            return Opening(None, ZONE_UNKNOWN if is_ambiguous else WINDOW_CLOSED)
        at = max(stretch.start, now)
        return Opening(at, None if at == now else WINDOW_CLOSED)

    def stretch_of(self, clock: Clock, now: datetime) -> Stretch | None:
        """Return the first stretch of time, from the minute of `now` on, in which it is open."""
        hours = self.hours
        if self.holidays == RECIPIENT:
            hours = replace(hours, country=clock.country, region=clock.region)
        elif self.holidays:
            hours = replace(hours, country=self.holidays)
        return common_opening(clock.zones, hours, now.replace(second=0, microsecond=0))

    def _zones_of(self, place: Place, own_zone: str | None) -> tuple[str, ...]:
        if self.zone != RECIPIENT:
            return (self.zone,)
        if own_zone is not None:
            return tuple(own_zone.split())
        if place.is_known or self.unknown_zone == "all":
            return place.zones
        return (self.workspace_zone,) if self.unknown_zone == "workspace" else ()


class Openings:
    """When numbers may be called from one instant on. Works it out once for each place."""

    def __init__(self, rules: CallingRules | None, now: datetime) -> None:
        self.rules = rules
        self.now = now
        self._by_place: dict[tuple[Place, str, str | None], Opening] = {}

    def find(self, e164: str, own_zone: str | None = None) -> Opening:
        """Return when a number may be called; `own_zone` is the zone that its list gives it."""
        if self.rules is None:
            return Opening(self.now, None)
        place: tuple[Place, str, str | None] = (
            place_of(e164),
            self.rules.region_of(e164),
            own_zone,
        )
        opening = self._by_place.get(place)
        if opening is None:
            opening = self.rules.opening_of(self.rules.clock_of(e164, own_zone), self.now)
            self._by_place[place] = opening
        return opening


def rules_of(batch: Batch) -> CallingRules | None:
    """Return when the batch's recipients may be called: by its window, else its workspace's.

    None means at any time.
    """
    workspace = batch.workspace
    return parse_rules(
        batch.limit("calling_window"),
        holidays_country=workspace.holidays_country,
        unknown_zone=workspace.unknown_zone,
        workspace_zone=workspace.timezone,
    )


def parse_rules(
    window: Window | None,
    *,
    holidays_country: str | None = None,
    unknown_zone: str = "all",
    workspace_zone: str = "UTC",
) -> CallingRules | None:
    """Return a window in either form with what its workspace adds; None for no window."""
    if window is None:
        return None
    spans = window.get("spans") or [window]
    return CallingRules(
        zone=window.get("timezone") or RECIPIENT,
        hours=CallingHours(
            spans=tuple(_parse_span(span) for span in spans),
            closed_dates=frozenset(map(date.fromisoformat, window.get("closed_dates") or ())),
        ),
        holidays=window.get("holidays") or holidays_country,
        unknown_zone=unknown_zone,
        workspace_zone=workspace_zone,
    )


def opens_at(
    e164: str, rules: CallingRules | None, now: datetime, own_zone: str | None = None
) -> Opening:
    """Return when this number may be called, from `now` on."""
    return Openings(rules, now).find(e164, own_zone)


def is_open(
    e164: str, rules: CallingRules | None, now: datetime, own_zone: str | None = None
) -> bool:
    """Return whether this number may be called at `now`."""
    return opens_at(e164, rules, now, own_zone).at == now


def _parse_span(span: Window) -> Span:
    start, end = _minutes(span["start"]), _minutes(span["end"])
    days = frozenset(span.get("days") or EVERY_DAY)
    return Span(days, start, end if end > start else end + DAY_MINUTES)


@lru_cache(maxsize=DAY_MINUTES + 1)
def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
