"""Calls, answers, outcomes and talk time of a time span, grouped by one criterion."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from accounts.models import Workspace
from telephony.models import Outcome
from telephony.reporting.hourly_calls import CallSpan, Counted, find_calls
from telephony.reporting.latency import latency_by_version
from voiceops.core.errors import Invalid
from voiceops.core.prices import describe_amount

GROUPINGS = (
    "hour",
    "day",
    "agent",
    "agent_version",
    "batch",
    "number",
    "outcome",
    "sip_status",
)
TIME_CRITERIA = ("hour", "day")
# By criterion: the longest span that may be asked for, and the span without `from`.
MAX_SPAN = {"hour": timedelta(days=62)}
MAX_SPAN_OTHERWISE = timedelta(days=3660)
DEFAULT_SPAN = {"hour": timedelta(days=1)}
DEFAULT_SPAN_OTHERWISE = timedelta(days=30)
# Some 50 ms. Pages that ask for several summaries of fewer calls at once are never refused.
LARGE_SUMMARY_CALLS = 20_000


@dataclass(frozen=True)
class SummarySpan:
    """What is to be summed up: the calls of a span, by one criterion."""

    since: datetime
    until: datetime
    group_by: str
    calls: CallSpan

    @property
    def is_large(self) -> bool:
        """Whether a summary reads so many calls that others would wait for it."""
        return self.calls.reads_more_calls_than(LARGE_SUMMARY_CALLS)


@dataclass
class Tally:
    """The figures of one group, while they are added up."""

    outcomes: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    talk: timedelta = timedelta()
    cost_micros: int | None = None

    def add(self, outcome: str | None, counted: Counted) -> None:
        """Add calls with one outcome; None for calls that have not ended."""
        self.calls += counted.calls
        self.talk += counted.talk
        if counted.priced_calls:
            self.cost_micros = (self.cost_micros or 0) + counted.cost_micros
        if outcome is not None:
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + counted.calls

    @property
    def ended(self) -> int:
        return sum(self.outcomes.values())

    @property
    def answered(self) -> int:
        return self.outcomes.get(Outcome.ANSWERED, 0)

    @property
    def answer_rate(self) -> float | None:
        """The share of the calls that have ended; None without any."""
        return self.answered / self.ended if self.ended else None

    def figures(self) -> dict[str, Any]:
        """Return the contract's figures. An average of nothing is null."""
        rate, answered, seconds = self.answer_rate, self.answered, self.talk.total_seconds()
        return {
            "calls": self.calls,
            "ended": self.ended,
            "answered": answered,
            "answer_rate": None if rate is None else round(rate, 4),
            "outcomes": dict(sorted(self.outcomes.items())),
            "talk_seconds": round(seconds, 3),
            "average_talk_seconds": round(seconds / answered, 3) if answered else None,
        }


def find_span(
    *,
    workspace: Workspace,
    group_by: str,
    now: datetime,
    since: datetime | None,
    until: datetime | None,
) -> SummarySpan:
    """Return the calls that were made from `since` to before `until`; without the latter it is now.

    Raises Invalid for a span that ends before it begins or is too long.
    """
    until = until or now
    since = since or _subtract(until, DEFAULT_SPAN.get(group_by, DEFAULT_SPAN_OTHERWISE))
    _check_span(since, until, group_by)
    calls = find_calls(since=since, until=until, workspace=workspace)
    return SummarySpan(since=since, until=until, group_by=group_by, calls=calls)


def summarize(*, workspace: Workspace, span: SummarySpan) -> dict[str, Any]:
    """Return `{from, to, group_by, totals, groups}` of the calls of a span.

    Times are in UTC. Attempts that were never sent are not calls. Groups by time are in its order,
    others have the largest first. Agent versions have their `cost` and `latency`, too.
    """
    group_by = span.group_by
    # Totals are added up here, because averages of groups do not add up.
    totals = Tally()
    tallies: dict[Any, Tally] = {}
    for (key, outcome), counted in span.calls.count(group_by, "outcome").items():
        totals.add(outcome, counted)
        tallies.setdefault(key, Tally()).add(outcome, counted)

    name_of = _load_names(workspace, group_by, tallies)
    more_of = _find_conversation_figures(span)
    groups = [
        {
            "key": _format_key(key, group_by),
            "name": name_of(key),
            **tally.figures(),
            **more_of(key, tally),
        }
        for key, tally in _sort(tallies, group_by)
    ]
    return {
        "from": span.since,
        "to": span.until,
        "group_by": group_by,
        "totals": totals.figures(),
        "groups": groups,
    }


def _find_conversation_figures(span: SummarySpan) -> Callable[[Any, Tally], dict[str, Any]]:
    """Return what finds the cost and latency of an agent version; null where none was reported."""
    if span.group_by != "agent_version":
        return lambda key, tally: {}
    latency = latency_by_version(span.calls)

    def figures_of(version: Any, tally: Tally) -> dict[str, Any]:
        micros = tally.cost_micros
        cost = None if micros is None else describe_amount(micros)
        return {"cost": cost, "latency": latency.get(version)}

    return figures_of


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
    """Return what finds the name of an agent, version or batch; None for all others."""
    known = [key for key in keys if key]
    if group_by == "agent_version":
        versions = workspace.agent_versions.filter(pk__in=known)
        named = versions.values_list("pk", "agent__name", "number")
        return {pk: f"{name}, version {number}" for pk, name, number in named}.get
    if group_by not in ("agent", "batch"):
        return lambda key: None
    rows = workspace.agents if group_by == "agent" else workspace.batches
    return dict(rows.filter(pk__in=known).values_list("pk", "name")).get


def _format_key(key: Any, group_by: str) -> Any:
    if group_by == "day":
        return key.date().isoformat()
    return str(key) if isinstance(key, UUID) else key
