"""Calls, answers, outcomes and talk time of a span of time, by one criterion, in one query (and one
for names).
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

CRITERIA: dict[str, Expression | F] = {
    "hour": TruncHour("created_at", tzinfo=UTC),
    "day": TruncDay("created_at", tzinfo=UTC),
    "agent": F("agent_id"),
    "batch": F("batch_id"),
    "number": Case(
        When(direction=Direction.INBOUND, then=F("to_number")), default=F("from_number")
    ),  # ours
    "outcome": F("outcome"),
    "sip_status": F("sip_status_code"),
}
MAX_SPAN = {"hour": timedelta(days=62)}
DEFAULT_MAX_SPAN = timedelta(days=3660)
USUAL_SPAN = {"hour": timedelta(days=1)}
DEFAULT_USUAL_SPAN = timedelta(days=30)
CLOCK_SLACK = timedelta(
    minutes=1
)  # between the clock that made a call's id and the one that made its `created_at`


@dataclass
class Tally:
    outcomes: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    talk: timedelta = timedelta()

    def add(self, outcome: str | None, calls: int, talk: timedelta | None) -> None:
        self.calls += calls
        self.talk += talk or timedelta()
        if outcome is not None:
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + calls

    def as_figures(self) -> dict[str, Any]:
        """`answer_rate` is the share of the calls that have ended; it and the average are null
        where there is none.
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


def summarize(
    *,
    workspace: Workspace,
    group_by: str,
    now: datetime,
    since: datetime | None,
    until: datetime | None,
) -> dict[str, Any]:
    """Calls made from `since` until before `until` (now), times in UTC: `{from, to, group_by,
    totals, groups}`.

    A batch's attempt that was never sent is no call. Groups by time come in its order, others
    largest first. Raises Invalid for a span that ends before it begins or is too long.
    """
    until = until or now
    since = since or _before(until, USUAL_SPAN.get(group_by, DEFAULT_USUAL_SPAN))
    _check(since, until, group_by)
    totals, groups = Tally(), dict[Any, Tally]()
    for key, outcome, calls, talk in _rows(workspace, group_by, since, until):
        totals.add(outcome, calls, talk)
        groups.setdefault(key, Tally()).add(outcome, calls, talk)
    names = _names(workspace, group_by, groups)
    told = [
        {"key": _key(key, group_by), "name": names(key), **tally.as_figures()}
        for key, tally in _sorted(groups, group_by)
    ]
    return {
        "from": since,
        "to": until,
        "group_by": group_by,
        "totals": totals.as_figures(),
        "groups": told,
    }


def _rows(
    workspace: Workspace, group_by: str, since: datetime, until: datetime
) -> Iterable[tuple[Any, str | None, int, timedelta | None]]:
    """Ids begin with the time of creation, and are what the index holds; `created_at` then decides."""
    shown = workspace.calls.filter(
        pk__gte=lowest_id(since, later=-CLOCK_SLACK), pk__lt=lowest_id(until, later=CLOCK_SLACK)
    ).listed()
    talk = ExpressionWrapper(F("ended_at") - F("answered_at"), output_field=DurationField())
    exact = shown.filter(created_at__gte=since, created_at__lt=until).order_by()
    grouped = exact.annotate(key=CRITERIA[group_by]).values_list("key", "outcome")
    rows: Iterable[tuple[Any, str | None, int, timedelta | None]] = grouped.annotate(
        calls=Count("pk"), talk=Sum(talk)
    )
    return rows


def _before(until: datetime, span: timedelta) -> datetime:
    """Earlier by that span, where the calendar goes so far back."""
    return max(until, datetime.min.replace(tzinfo=UTC) + span) - span


def _check(since: datetime, until: datetime, group_by: str) -> None:
    if since >= until:
        raise Invalid("from must be earlier than to")
    longest = MAX_SPAN.get(group_by, DEFAULT_MAX_SPAN)
    if until - since > longest:
        raise Invalid(f"Ask for at most {longest.days:,} days by {group_by}")


def _sorted(groups: Mapping[Any, Tally], group_by: str) -> list[tuple[Any, Tally]]:
    if group_by in ("hour", "day"):
        return sorted(groups.items(), key=lambda group: group[0])
    return sorted(groups.items(), key=lambda group: (-group[1].calls, str(group[0])))


def _names(workspace: Workspace, group_by: str, keys: Iterable[Any]) -> Callable[[Any], str | None]:
    """What people call the things behind the ids; null for everything that speaks for itself, and
    for the deleted.
    """
    if group_by not in ("agent", "batch"):
        return lambda key: None
    rows = workspace.agents if group_by == "agent" else workspace.batches
    names = dict(rows.filter(pk__in=[key for key in keys if key]).values_list("pk", "name"))
    return names.get


def _key(key: Any, group_by: str) -> Any:
    if group_by == "day":
        return key.date().isoformat()
    return str(key) if isinstance(key, UUID) else key
