"""The weekly e-mail of a saved report: figures beside those before, by day and by outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from accounts.models import Workspace
from batches.models import SavedReport
from batches.reporting.days import Days
from batches.reporting.summary import find_span, summarize
from voiceops.core.prices import MILLION, in_words

# Each day of a longer range would make a page of it; the link has them all.
MAX_DAYS_LISTED = 31
LABEL_WIDTH = 22
FIGURE_WIDTH = 12


@dataclass(frozen=True)
class ReportMail:
    """An e-mail as it is handed to the mail server."""

    subject: str
    text: str
    headers: dict[str, str]


def compose(
    *, report: SavedReport, workspace: Workspace, now: datetime, unsubscribe_url: str
) -> ReportMail:
    """Return the e-mail of the days that ended with the workspace's last Sunday."""
    days = days_before_monday(now, report.days or 1, ZoneInfo(workspace.timezone))
    span = f"{days.first:%-d %B} to {days.last:%-d %B %Y}"
    subject = f"{_one_line(workspace.name)}: {_one_line(report.name)}, {span}"
    link = f"{settings.PUBLIC_URL}/console/reports?range=own&from={days.first}&to={days.last}"
    text = "\n".join(
        [
            f"{_one_line(workspace.name)}: {_one_line(report.name)}",
            f"{span}, {workspace.timezone}",
            "",
            *_figures(workspace, days, now),
            f"The whole report: {link}",
            "",
            "You get this each Monday, because you asked for it.",
            f"To end it, no sign-in needed: {unsubscribe_url}",
            "",
        ]
    )
    headers = {
        "List-Unsubscribe": f"<{unsubscribe_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    return ReportMail(subject, text, headers)


def days_before_monday(now: datetime, amount: int, zone: ZoneInfo) -> Days:
    """Return so many whole days, of which the last is the Sunday before now."""
    today = now.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    return Days(monday - timedelta(days=amount), monday - timedelta(days=1), zone)


def _figures(workspace: Workspace, days: Days, now: datetime) -> list[str]:
    totals = _summary(workspace, days, "outcome", now)["totals"]
    amount = days.amount
    earlier = Days(days.first - timedelta(days=amount), days.first - timedelta(days=1), days.zone)
    before = _summary(workspace, earlier, "outcome", now)["totals"]
    if not totals["calls"]:
        return ["No call was made in these days.", ""]
    lines = [
        _line("Calls", f"{totals['calls']:,}", _change(totals["calls"], before["calls"])),
        _line(
            "Answered", f"{totals['answered']:,}", _change(totals["answered"], before["answered"])
        ),
        _line("Answer rate", _percent(totals["answer_rate"]), _was(before["answer_rate"])),
        _line("Talk time", _duration(totals["talk_seconds"])),
    ]
    if (cost := _cost(_summary(workspace, days, "agent_version", now)["groups"])) is not None:
        lines.append(_line("Cost of the models", cost))
    if amount <= MAX_DAYS_LISTED:
        lines += ["", "By day", *_by_day(workspace, days, now)]
    return [*lines, "", "How the calls ended", *_by_outcome(totals["outcomes"]), ""]


def _summary(workspace: Workspace, days: Days, group_by: str, now: datetime) -> dict[str, Any]:
    span = find_span(
        workspace=workspace, group_by=group_by, now=now, since=days.since, until=days.until
    )
    return summarize(workspace=workspace, span=span)


def _by_day(workspace: Workspace, days: Days, now: datetime) -> list[str]:
    sums: dict[date, tuple[int, int]] = {}
    for group in _summary(workspace, days, "hour", now)["groups"]:
        day = group["key"].astimezone(days.zone).date()
        calls, answered = sums.get(day, (0, 0))
        sums[day] = (calls + group["calls"], answered + group["answered"])
    return [
        _line(f"{day:%a %-d %b}", f"{calls:,}", f"{answered:,} answered")
        for day, (calls, answered) in sorted(sums.items())
    ]


def _by_outcome(outcomes: Mapping[str, int]) -> list[str]:
    ordered = sorted(outcomes.items(), key=lambda item: (-item[1], item[0]))
    return [
        _line(outcome.replace("_", " ").capitalize(), f"{calls:,}") for outcome, calls in ordered
    ]


def _cost(versions: list[dict[str, Any]]) -> str | None:
    amounts = [version["cost"]["amount"] for version in versions if version["cost"]]
    return in_words(round(sum(amounts) * MILLION)) if amounts else None


def _line(label: str, figure: str, remark: str = "") -> str:
    return f"{label:<{LABEL_WIDTH}}{figure:>{FIGURE_WIDTH}}   {remark}".rstrip()


def _change(now: int, before: int) -> str:
    if not before:
        return ""
    return f"{100 * (now - before) / before:+.0f} % against the days before"


def _was(rate: float | None) -> str:
    return "" if rate is None else f"{_percent(rate)} before"


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.1f} %"


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes:02} min" if hours else f"{minutes} min"


def _one_line(name: str) -> str:
    """Return a name without line breaks, which the subject of an e-mail may not have."""
    return " ".join(name.split())
