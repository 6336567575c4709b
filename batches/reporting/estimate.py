"""Estimates how long calling a list takes: by calling window, pace and channels."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any, NamedTuple

from batches.dialing.calling_windows import CallingRules, Clock
from batches.models import Batch

# Assumed before anything is measured: half of the recipients answer and talk for a minute, the
# others let it ring.
AVERAGE_RING_SECONDS = 15.0
AVERAGE_TALK_SECONDS = 60.0
ANSWERED_SHARE = 0.5
AVERAGE_CALL_SECONDS = AVERAGE_RING_SECONDS + ANSWERED_SHARE * AVERAGE_TALK_SECONDS
MAX_STRETCHES = 3_000  # of open time that an estimate looks ahead
MAX_SCHEDULE_GROUPS = 500


@dataclass(frozen=True)
class Pace:
    """Calls per second as configured, and calls at once."""

    per_second: float
    max_concurrent: int

    @classmethod
    def of(cls, batch: Batch) -> "Pace":
        """Return the tightest limits of the batch, its number and its workspace."""
        number = batch.phone_number
        assert number is not None
        per_second = batch.calls_per_second or number.calls_per_second
        concurrency_limits = (
            batch.max_concurrent_calls,
            number.max_concurrent_calls,
            batch.workspace.max_concurrent_calls,
        )
        return cls(
            per_second=min(per_second, number.calls_per_second),
            max_concurrent=min(limit for limit in concurrency_limits if limit is not None),
        )

    @property
    def channels_needed(self) -> int:
        """Channels that are busy at once if the configured pace is kept."""
        return ceil(self.per_second * AVERAGE_CALL_SECONDS)

    @property
    def sustained(self) -> float:
        """Calls per second that the channels allow."""
        return min(self.per_second, self.max_concurrent / AVERAGE_CALL_SECONDS)


class _Group(NamedTuple):
    """Recipients who share a clock, and when they may first be called."""

    opening: datetime
    clock: Clock
    size: int


@dataclass(frozen=True)
class Estimate:
    """Who may be called when, and who never: the contract's `calling`, and counts by reason."""

    calling: dict[str, Any]
    never: Counter[str]


def estimate_calling(
    recipients: Mapping[Clock, int], *, rules: CallingRules | None, pace: Pace, begin: datetime
) -> Estimate:
    """Return who may be called from `begin` on, and when the last recipient was called.

    `recipients` says how many there are by the clock that decides for them.
    """
    never: Counter[str] = Counter()
    groups = _group_by_opening(recipients, rules, begin, never)
    total = sum(group.size for group in groups)
    now = sum(group.size for group in groups if group.opening == begin)

    # One group after the other: they share the channels, and earlier ones are called first.
    end = begin
    for group in groups:
        seconds = group.size / pace.sustained
        start = max(end, group.opening)
        end = _add_calling_time(start, seconds, group.clock, rules)
    calling = {
        "now": now,
        "later": total - now,
        "never": never.total(),
        "first_call_at": groups[0].opening if groups else None,
        "estimated_end_at": end if groups else None,
        "calls_per_second": round(pace.sustained, 3),
        "channels_needed": pace.channels_needed,
        "schedule": _schedule(groups),
    }
    return Estimate(calling, never)


def _group_by_opening(
    recipients: Mapping[Clock, int],
    rules: CallingRules | None,
    begin: datetime,
    never: Counter[str],
) -> list[_Group]:
    """Group the recipients who may ever be called, the earliest first; count others in `never`."""
    if rules is None:
        anywhere = Clock((), "")
        return [_Group(begin, anywhere, sum(recipients.values()))] if recipients else []

    groups: list[_Group] = []
    for clock, count in recipients.items():
        opening = rules.opening_of(clock, begin)
        if opening.at is not None:
            groups.append(_Group(opening.at, clock, count))
        else:
            never[opening.reason or ""] += count
    return sorted(groups)


def _schedule(groups: list[_Group]) -> list[dict[str, Any]]:
    """Return when how many recipients may first be called, by the zones that decide it."""
    counts: Counter[tuple[datetime, tuple[str, ...]]] = Counter()
    for group in groups:
        counts[group.opening, group.clock.zones] += group.size
    return [
        {"first_call_at": opening, "timezones": list(zones), "count": count}
        for (opening, zones), count in sorted(counts.items())[:MAX_SCHEDULE_GROUPS]
    ]


def _add_calling_time(
    start: datetime, seconds: float, clock: Clock, rules: CallingRules | None
) -> datetime:
    """Return when that many seconds of calling are over; time outside the window does not count."""
    if rules is None:
        return start + timedelta(seconds=seconds)

    at = start
    for _ in range(MAX_STRETCHES):
        # A recipient in one of several possible zones is called only while all are open.
        stretch = rules.stretch_of(clock, at)
        if stretch is None:
            break
        opening = max(stretch.start, at)
        open_seconds = (stretch.end - opening).total_seconds()
        if seconds <= open_seconds:
            return opening + timedelta(seconds=seconds)
        seconds -= open_seconds
        at = stretch.end
    return at
