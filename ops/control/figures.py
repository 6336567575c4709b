"""The figures of the overview: calls by time and outcome, an earlier span, and SIP causes."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any

from accounts.models import Workspace
from batches.reporting.summary import Tally
from console import charts
from telephony.models import Outcome
from telephony.reporting.hourly_calls import find_calls
from voiceops.core.prices import MILLION, price_table

DAY = timedelta(days=1)
HOURS_A_DAY = 24
# Days that the overview may cover, with the spans that it is compared with: how many days earlier.
SPANS: dict[int, tuple[tuple[str, int], ...]] = {
    1: (("yesterday", 1), ("last week", 7)),
    7: (("the 7 days before", 7),),
    30: (("the 30 days before", 30),),
}
MAX_CAUSES = 8
CAUSES = {
    200: "OK",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    480: "Temporarily Unavailable",
    484: "Address Incomplete",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    500: "Server Internal Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    600: "Busy Everywhere",
    603: "Decline",
    607: "Unwanted",
}


class Totals(Tally):
    """What a span comes to, with what the cards have besides."""

    @property
    def talk_seconds(self) -> float:
        return self.talk.total_seconds()

    @property
    def cost(self) -> float | None:
        """In the price table's currency."""
        return None if self.cost_micros is None else self.cost_micros / MILLION


def read_figures(
    workspaces: Sequence[Workspace | None], *, days: int, now: datetime, zone: tzinfo
) -> dict[str, Any]:
    """Return cards, columns and causes of the last `days`, which end now.

    `workspaces` are those that are summed up; None stands for all of them.
    """
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    since = midnight - (days - 1) * DAY
    groups: dict[datetime, dict[str, int]] = {}
    codes: dict[int, int] = {}
    totals = Totals()
    for workspace in workspaces:
        span = find_calls(since=since, until=now, workspace=workspace)
        for (hour, outcome), counted in span.count("hour", "outcome").items():
            totals.add(outcome, counted)
            if outcome is not None:
                outcomes = groups.setdefault(hour, {})
                outcomes[outcome] = outcomes.get(outcome, 0) + counted.calls
        for (code,), counted in span.count("sip_status").items():
            if code is not None:
                codes[code] = codes.get(code, 0) + counted.calls
    earlier = [
        (words, _totals_of(workspaces, since - back * DAY, now - back * DAY))
        for words, back in SPANS[days]
    ]
    by_key = _by_key(groups, days, zone)
    columns = charts.columns_over_time(by_key, _keys(midnight, days))
    return {
        "cards": _cards(totals, earlier),
        "columns": columns,
        "rates": _rate_points(by_key, columns),
        "every": 3 if days == 1 else max(1, days // 7),
        "legend": charts.legend_of(totals.outcomes),
        "outcome_bars": charts.outcome_bars(totals.outcomes),
        "causes": _causes(codes),
    }


def _totals_of(workspaces: Sequence[Workspace | None], since: datetime, until: datetime) -> Totals:
    totals = Totals()
    for workspace in workspaces:
        span = find_calls(since=since, until=until, workspace=workspace)
        for (outcome,), counted in span.count("outcome").items():
            totals.add(outcome, counted)
    return totals


def _keys(midnight: datetime, days: int) -> list[str]:
    """Return the labels of the columns: the hours of a day, or the days of a span."""
    if days == 1:
        return [f"{hour:02}" for hour in range(HOURS_A_DAY)]
    return [f"{midnight - back * DAY:%d %b}" for back in reversed(range(days))]


def _by_key(
    groups: Mapping[datetime, Mapping[str, int]], days: int, zone: tzinfo
) -> dict[str, dict[str, int]]:
    """Return outcomes by the label of their column, in the reader's zone.

    Calls are counted by the hours of UTC: where clocks differ by half an hour, a column is the
    hour that begins half past.
    """
    sums: dict[str, dict[str, int]] = {}
    for hour, outcomes in groups.items():
        key = f"{hour.astimezone(zone):{'%H' if days == 1 else '%d %b'}}"
        column = sums.setdefault(key, {})
        for outcome, count in outcomes.items():
            column[outcome] = column.get(outcome, 0) + count
    return sums


def _rate_points(by_key: Mapping[str, Mapping[str, int]], columns: Sequence[charts.Column]) -> str:
    """Return the answer rate of each column with calls as points of an SVG line."""
    points = []
    for column in columns:
        if column.total:
            rate = 100 * by_key[column.key].get(Outcome.ANSWERED, 0) / column.total
            points.append(f"{column.x + column.width / 2:.2f},{100 - rate:.2f}")
    return " ".join(points)


def _cards(totals: Totals, earlier: Sequence[tuple[str, Totals]]) -> list[dict[str, Any]]:
    cards = (
        ("Calls", "count", "calls"),
        ("Answered", "count", "answered"),
        ("Answer rate", "percent", "answer_rate"),
        ("Talk time", "duration", "talk_seconds"),
        (f"Cost, {price_table().currency}", "money", "cost"),
    )
    return [
        {
            "label": label,
            "kind": kind,
            "value": getattr(totals, name),
            "changes": [
                (words, charts.change(getattr(totals, name), getattr(before, name)))
                for words, before in earlier
            ],
        }
        for label, kind, name in cards
    ]


def _causes(codes: Mapping[int, int]) -> list[charts.Part]:
    """Return a bar for each SIP status that carriers answered, the most frequent first."""
    most = sorted(codes.items(), key=lambda item: (-item[1], item[0]))[:MAX_CAUSES]
    largest = most[0][1] if most else 1
    return [
        charts.Part(
            f"{code} {CAUSES.get(code, '')}".strip(),
            "reached" if code < 300 else "unreached" if code < 500 else "failed",
            count,
            0.0,
            round(100 * count / largest, 3),
        )
        for code, count in most
    ]
