"""How many calls a span had, from the hours that have been counted and the calls of all others.

The sum is exact at any time. Hours that a worker has counted (telephony/services/hourly_counts.py)
are read from `HourlyCalls`; the parts of hours at both ends, the hours since, and those in which a
call has changed since they were counted, from the calls themselves.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, TypeVar

from django.db.models import (
    Case,
    Count,
    DurationField,
    Expression,
    ExpressionWrapper,
    F,
    Q,
    QuerySet,
    Sum,
    When,
)
from django.db.models.functions import TruncDay, TruncHour

from accounts.models import Workspace
from telephony.models import (
    Call,
    CallQuerySet,
    Direction,
    HourlyCalls,
    HourlyCursor,
    HourlyLatency,
)
from voiceops.core.ids import lowest_id

HourlyRow = TypeVar("HourlyRow", HourlyCalls, HourlyLatency)

HOUR = timedelta(hours=1)
HOURLY_CURSOR_NAME = "calls"
# Between the clock that made a call's id and the one that made its `created_at`.
CLOCK_SLACK = timedelta(minutes=1)
# Of more, reading the calls of the whole span is simpler; it lasts until a worker has counted them.
MAX_CHANGED_HOURS = 20

OUR_NUMBER = Case(When(direction=Direction.INBOUND, then=F("to_number")), default=F("from_number"))
TALK = ExpressionWrapper(F("ended_at") - F("answered_at"), output_field=DurationField())
# By criterion: the key of a call, and that of a counted hour.
CRITERIA: Mapping[str, tuple[Expression | F, Expression | F]] = {
    "hour": (TruncHour("created_at", tzinfo=UTC), F("hour")),
    "day": (TruncDay("created_at", tzinfo=UTC), TruncDay("hour", tzinfo=UTC)),
    "workspace": (F("workspace_id"), F("workspace_id")),
    "agent": (F("agent_id"), F("agent_id")),
    "agent_version": (F("agent_version_id"), F("agent_version_id")),
    "batch": (F("batch_id"), F("batch_id")),
    "number": (OUR_NUMBER, F("own_number")),
    "outcome": (F("outcome"), F("outcome")),
    "sip_status": (F("sip_status_code"), F("sip_status_code")),
}
# How many calls, how long they talked, what they cost, and how many have a cost.
SUMS_OF_CALLS = {
    "sum_calls": Count("pk"),
    "sum_talk": Sum(TALK),
    "sum_cost": Sum("cost_micros"),
    "sum_priced": Count("cost_micros"),
}
SUMS_OF_HOURS = {
    "sum_calls": Sum("calls"),
    "sum_talk": Sum("talk"),
    "sum_cost": Sum("cost_micros"),
    "sum_priced": Sum("priced_calls"),
}


@dataclass
class Counted:
    """Calls that share a key: how many, how long they talked, and what those with a cost cost."""

    calls: int = 0
    talk: timedelta = field(default_factory=timedelta)
    cost_micros: int = 0
    priced_calls: int = 0

    def add(self, other: "Counted") -> None:
        """Add other calls to these."""
        self.calls += other.calls
        self.talk += other.talk
        self.cost_micros += other.cost_micros
        self.priced_calls += other.priced_calls


@dataclass(frozen=True)
class CallSpan:
    """The calls made in a span of time: the hours that are counted, if any, and the other calls."""

    counted: Q | None
    calls: CallQuerySet

    def hours_of(self, model: type[HourlyRow]) -> QuerySet[HourlyRow]:
        """Return the counts of this kind, `HourlyCalls` or `HourlyLatency`."""
        rows: QuerySet[HourlyRow] = model._default_manager.order_by()
        return rows.none() if self.counted is None else rows.filter(self.counted)

    def reads_more_calls_than(self, number: int) -> bool:
        """Whether more calls than this must be read one by one."""
        return bool(self.calls.order_by()[number:].exists())

    def count(self, *criteria: str) -> dict[tuple[Any, ...], Counted]:
        """Return the counts by the values of the criteria (of `CRITERIA`), in no order.

        An attempt of a batch that was never sent is not a call. Hours and days are in UTC.
        """
        counts: dict[tuple[Any, ...], Counted] = {}
        for key, counted in self._read(criteria):
            counts.setdefault(key, Counted()).add(counted)
        return counts

    def _read(self, criteria: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], Counted]]:
        hours = self.hours_of(HourlyCalls)
        for rows in (group_calls(self.calls, criteria), _group_hours(hours, criteria)):
            for *key, calls, talk, cost_micros, priced in rows:
                counted = Counted(calls, talk or timedelta(), int(cost_micros or 0), priced)
                yield tuple(key), counted


def find_calls(*, since: datetime, until: datetime, workspace: Workspace | None = None) -> CallSpan:
    """Return the calls made from `since` to before `until`: of a workspace, or of all of them."""
    of_workspace = Q() if workspace is None else Q(workspace=workspace)
    calls: CallQuerySet = Call.unscoped.listed().filter(of_workspace)
    counted = _counted_hours(since, until)
    changed = _changed_hours(counted, of_workspace) if counted else ()
    if counted is None or len(changed) > MAX_CHANGED_HOURS:
        return CallSpan(counted=None, calls=calls.filter(made_in(since, until)))

    first, last = counted
    spans = [(since, first), *((hour, hour + HOUR) for hour in changed), (last, until)]
    parts = [made_in(*span) for span in spans if span[0] < span[1]]
    unchanged = ~Q(hour__in=changed) if changed else Q()
    return CallSpan(
        counted=of_workspace & Q(hour__gte=first, hour__lt=last) & unchanged,
        calls=calls.filter(reduce(or_, parts)) if parts else calls.none(),
    )


def count_calls(
    *criteria: str, since: datetime, until: datetime, workspace: Workspace | None = None
) -> dict[tuple[Any, ...], Counted]:
    """Return how many calls there were from `since` to before `until`, by these criteria.

    `count_calls("hour", "outcome", …)` gives the columns of a chart, `count_calls("sip_status", …)`
    what carriers answered. Without a workspace, the calls of all of them are counted.
    """
    return find_calls(since=since, until=until, workspace=workspace).count(*criteria)


def group_calls(calls: CallQuerySet, criteria: Sequence[str]) -> QuerySet[Call, Any]:
    """Return a tuple per group: the values of the criteria, then `SUMS_OF_CALLS`."""
    keys = {f"key_{place}": CRITERIA[name][0] for place, name in enumerate(criteria)}
    return calls.order_by().annotate(**keys).values_list(*keys).annotate(**SUMS_OF_CALLS)


def made_in(since: datetime, until: datetime) -> Q:
    """Return the condition that a call was made from `since` to before `until`."""
    # Ids begin with the time of creation and are what the index holds; `created_at` decides.
    lowest, end = lowest_id(since, later=-CLOCK_SLACK), lowest_id(until, later=CLOCK_SLACK)
    return Q(pk__gte=lowest, pk__lt=end, created_at__gte=since, created_at__lt=until)


def start_of_hour(instant: datetime) -> datetime:
    """Return the beginning of the hour in which the instant lies, in UTC."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _counted_hours(since: datetime, until: datetime) -> tuple[datetime, datetime] | None:
    """Return the whole hours of the span that have been counted; None when there are none."""
    position = HourlyCursor.objects.filter(name=HOURLY_CURSOR_NAME).values_list(
        "position", flat=True
    )
    end = position.first()
    if end is None or since > end - HOUR:
        return None
    first = start_of_hour(since)
    first = first if first == since else first + HOUR
    last = start_of_hour(min(until, end))
    return (first, last) if first < last else None


def _changed_hours(counted: tuple[datetime, datetime], of_workspace: Q) -> Sequence[datetime]:
    """Return the counted hours of which a call has changed since, up to one more than matter."""
    first, last = counted
    changed = Call.unscoped.filter(
        of_workspace, recount_at__isnull=False, created_at__gte=first, created_at__lt=last
    )
    hours = changed.annotate(hour=CRITERIA["hour"][0]).order_by("hour").values_list("hour")
    return [hour for (hour,) in hours.distinct()[: MAX_CHANGED_HOURS + 1]]


def _group_hours(
    hours: QuerySet[HourlyCalls], criteria: Sequence[str]
) -> QuerySet[HourlyCalls, Any]:
    keys = {f"key_{place}": CRITERIA[name][1] for place, name in enumerate(criteria)}
    return hours.annotate(**keys).values_list(*keys).annotate(**SUMS_OF_HOURS)
