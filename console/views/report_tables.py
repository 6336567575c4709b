"""The API's summaries as tables: by day or hour of the reader's zone, and as CSV."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from console.views.report_ranges import ReportRange
from voiceops.core.csv_encoding import encode_csv_for_spreadsheets
from voiceops.core.day_words import day_words

FILE_CRITERIA = ("day", "agent_version", "number", "sip_status")
HOURS_A_DAY = 24
SUMS = ("calls", "ended", "answered", "talk_seconds")
FILE_COLUMNS = ("calls", "ended", "answered", "answer_rate", "talk_seconds")
COST_COLUMNS = ("cost", "currency")


def rows_by_time(groups: Iterable[Mapping[str, Any]], span: ReportRange) -> list[dict[str, Any]]:
    """Return the figures of every day of the range, or of every hour if it is one day."""
    slots: list[Any] = list(range(HOURS_A_DAY)) if span.is_one_day else span.days
    rows = {slot: _new_row(slot, span) for slot in slots}
    for group in groups:
        at = _start_of(group, span)
        row = rows[at.hour if span.is_one_day else at.date()]
        for name in SUMS:
            row[name] += group[name]
        for outcome, calls in group["outcomes"].items():
            row["outcomes"][outcome] = row["outcomes"].get(outcome, 0) + calls
    for row in rows.values():
        row["answer_rate"] = rate_of(row["answered"], row["ended"])
    return list(rows.values())


def _new_row(slot: Any, span: ReportRange) -> dict[str, Any]:
    if isinstance(slot, date):
        return {"key": slot.isoformat(), "label": _day_label(slot, span), **_no_calls()}
    return {"key": f"{slot:02}:00", "label": f"{slot:02}", **_no_calls()}


def _day_label(day: date, span: ReportRange) -> str:
    is_one_year = span.first.year == span.last.year
    return day_words(day, has_year=not is_one_year)


def _no_calls() -> dict[str, Any]:
    return {**dict.fromkeys(SUMS, 0), "outcomes": {}}


def by_weekday_and_hour(
    groups: Iterable[Mapping[str, Any]], span: ReportRange
) -> dict[tuple[int, int], tuple[int, int]]:
    """Return `(answered, ended)` by weekday (Monday is 1) and hour; nothing for days of UTC."""
    sums: dict[tuple[int, int], tuple[int, int]] = {}
    if span.group_by != "hour":
        return sums
    for group in groups:
        at = _start_of(group, span)
        answered, ended = sums.get((at.isoweekday(), at.hour), (0, 0))
        totals = (answered + group["answered"], ended + group["ended"])
        sums[at.isoweekday(), at.hour] = totals
    return sums


def _start_of(group: Mapping[str, Any], span: ReportRange) -> datetime:
    """Return when an hour or day of UTC begins in the reader's zone, within the range."""
    at = datetime.fromisoformat(group["key"])
    if at.tzinfo is None:  # a day
        at = at.replace(tzinfo=span.zone)
    # An hour of UTC may begin half an hour before the day of the zone does.
    local = max(at.astimezone(span.zone), span.since)
    return min(local, datetime.combine(span.last, datetime.max.time(), span.zone))


def rate_of(answered: int, ended: int) -> float | None:
    """Return the share that was answered; None where nothing has ended."""
    return round(answered / ended, 4) if ended else None


def cost_of(versions: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return what the models cost together; None where none has reported any."""
    costs = [version["cost"] for version in versions if version["cost"]]
    if not costs:
        return None
    return {
        "amount": sum(cost["amount"] for cost in costs),
        "currency": costs[0]["currency"],
    }


def to_csv(groups: list[Any]) -> bytes:
    """Return groups as CSV: what they share, their figures, and their calls by outcome."""
    outcomes = sorted({outcome for group in groups for outcome in group["outcomes"]})
    header = ["key", "name", *FILE_COLUMNS, *COST_COLUMNS, *outcomes]
    rows = [header, *(_cells_of(group, outcomes) for group in groups)]
    return b"".join(encode_csv_for_spreadsheets(rows))


def _cells_of(group: Mapping[str, Any], outcomes: list[str]) -> list[Any]:
    cost = group.get("cost") or {}
    return [
        group["key"],
        group.get("name"),
        *(group[name] for name in FILE_COLUMNS),
        cost.get("amount"),
        cost.get("currency"),
        *(group["outcomes"].get(outcome, 0) for outcome in outcomes),
    ]
