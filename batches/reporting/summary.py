"""Calls, answers, outcomes and talk time of a time span, grouped by one criterion.

One query, and one more for the names of agents or batches.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, DurationField, Expression, ExpressionWrapper, F, Sum, When
from django.db.models.functions import TruncDay, TruncHour

from accounts.models import Workspace
from telephony.models import Direction, Outcome
from voiceops.core.errors import Invalid
from voiceops.core.ids import lowest_id

OUR_NUMBER = Case(When(direction=Direction.INBOUND, then=F("to_number")), default=F("from_number"))
CRITERIA: dict[str, Expression | F] = {
    "hour": TruncHour("created_at", tzinfo=UTC),
    "day": TruncDay("created_at", tzinfo=UTC),
    "agent": F("agent_id"),
    "batch": F("batch_id"),
    "number": OUR_NUMBER,
    "outcome": F("outcome"),
    "sip_status": F("sip_status_code"),
}
TIME_CRITERIA = ("hour", "day")
# By criterion: the longest span that may be asked for, and the span without `from`.
MAX_SPAN = {"hour": timedelta(days=62)}
MAX_SPAN_OTHERWISE = timedelta(days=3660)
DEFAULT_SPAN = {"hour": timedelta(days=1)}
DEFAULT_SPAN_OTHERWISE = timedelta(days=30)
# Some 50 ms. Pages that ask for several summaries of fewer calls at once are never refused.
LARGE_SUMMARY_CALLS = 20_000
# Between the clock that made a call's id and the one that made its `created_at`.
CLOCK_SLACK = timedelta(minutes=1)
GroupRow = tuple[Any, str | None, int, timedelta | None]
"""A group's key, an outcome, how many calls have both, and how long they talked."""


@dataclass
class Tally:
    """The figures of one group, while they are added up."""

    outcomes: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    talk: timedelta = timedelta()

    def add(self, outcome: str | None, calls: int, talk: timedelta | None) -> None:
        """Add calls with one outcome; None for calls that have not ended."""
        self.calls += calls
        self.talk += talk or timedelta()
        if outcome is not None:
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + calls

    def figures(self) -> dict[str, Any]:
        """Return the contract's figures.

        `answer_rate` is the share of the calls that have ended. It is null without any, as the
        average is without answered calls.
        """
        ended = sum(self.outcomes.values())
        answered = self.outcomes.get(Outcome.ANSWERED, 0)
        seconds = self.talk.total_seconds()
        return {
            "calls": self.calls,
            "ended": ended,
            "answered": answered,
            "answer_rate": round(answered / ended, 4) if ended else None,
            "outcomes": dict(sorted(self.outcomes.items())),
            "talk_seconds": round(seconds, 3),
            "average_talk_seconds": round(seconds / answered, 3) if answered else None,
        }


def has_many_calls(workspace: Workspace) -> bool:
    """Return whether a summary may read so many calls that others would wait for it."""
    return bool(workspace.calls.order_by()[LARGE_SUMMARY_CALLS:].exists())


def summarize(
    *,
    workspace: Workspace,
    group_by: str,
    now: datetime,
    since: datetime | None,
    until: datetime | None,
) -> dict[str, Any]:
    """Return `{from, to, group_by, totals, groups}` of calls made from `since` to before `until`.

    Times are in UTC; without `until` it is now. Attempts that were never sent are not calls. Groups
    by time are in its order, others have the largest first.

    Raises Invalid for a span that ends before it begins or is too long.
    """
    until = until or now
    since = since or _subtract(until, DEFAULT_SPAN.get(group_by, DEFAULT_SPAN_OTHERWISE))
    _check_span(since, until, group_by)

    # Totals are added up here, because averages of groups do not add up.
    totals = Tally()
    tallies: dict[Any, Tally] = {}
    for key, outcome, calls, talk in _group_rows(workspace, group_by, since, until):
        totals.add(outcome, calls, talk)
        tallies.setdefault(key, Tally()).add(outcome, calls, talk)

    name_of = _load_names(workspace, group_by, tallies)
    groups = [
        {"key": _format_key(key, group_by), "name": name_of(key), **tally.figures()}
        for key, tally in _sort(tallies, group_by)
    ]
    return {
        "from": since,
        "to": until,
        "group_by": group_by,
        "totals": totals.figures(),
        "groups": groups,
    }


def _group_rows(
    workspace: Workspace, group_by: str, since: datetime, until: datetime
) -> Iterable[GroupRow]:
    # Ids begin with the time of creation and are what the index holds; `created_at` decides.
    calls = workspace.calls.filter(
        pk__gte=lowest_id(since, later=-CLOCK_SLACK), pk__lt=lowest_id(until, later=CLOCK_SLACK)
    )
    exact = calls.listed().filter(created_at__gte=since, created_at__lt=until).order_by()
    grouped = exact.annotate(key=CRITERIA[group_by]).values_list("key", "outcome")
    talk = ExpressionWrapper(F("ended_at") - F("answered_at"), output_field=DurationField())
    rows: Iterable[GroupRow] = grouped.annotate(calls=Count("pk"), talk=Sum(talk))
    return rows


def _subtract(instant: datetime, span: timedelta) -> datetime:
    """Return the instant minus the span, or the first instant of the calendar."""
    earliest = datetime.min.replace(tzinfo=UTC)
    return max(instant, earliest + span) - span


def _check_span(since: datetime, until: datetime, group_by: str) -> None:
    if since >= until:
        raise Invalid("from must be earlier than to")
    max_span = MAX_SPAN.get(group_by, MAX_SPAN_OTHERWISE)
    if until - since > max_span:
        raise Invalid(f"Ask for at most {max_span.days:,} days by {group_by}")


def _sort(tallies: Mapping[Any, Tally], group_by: str) -> list[tuple[Any, Tally]]:
    if group_by in TIME_CRITERIA:
        return sorted(tallies.items(), key=lambda item: item[0])
    return sorted(tallies.items(), key=lambda item: (-item[1].calls, str(item[0])))


def _load_names(
    workspace: Workspace, group_by: str, keys: Iterable[Any]
) -> Callable[[Any], str | None]:
    """Return what finds the name of an agent or batch; None for other keys and deleted rows."""
    if group_by not in ("agent", "batch"):
        return lambda key: None
    rows = workspace.agents if group_by == "agent" else workspace.batches
    names = dict(rows.filter(pk__in=[key for key in keys if key]).values_list("pk", "name"))
    return names.get


def _format_key(key: Any, group_by: str) -> Any:
    if group_by == "day":
        return key.date().isoformat()
    return str(key) if isinstance(key, UUID) else key
