"""The weekly e-mail of a saved report: figures beside those before, by day and by outcome.

It is in the language of the page on which it was asked for, as plain text and as HTML.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from accounts.models import Workspace
from batches.models import SavedReport
from batches.reporting.days import Days
from batches.reporting.summary import find_span, summarize
from telephony.domain.outcome_words import OUTCOME_NAMES
from voiceops.core.amount_words import amount_words
from voiceops.core.day_words import day_words
from voiceops.core.prices import MILLION

# Each day of a longer range would make a page of it; the link has them all.
MAX_DAYS_LISTED = 31
LABEL_WIDTH = 22
FIGURE_WIDTH = 12


@dataclass(frozen=True)
class ReportMail:
    """An e-mail as it is handed to the mail server."""

    subject: str
    text: str
    html: str
    headers: dict[str, str]


class Line(NamedTuple):
    """A figure with what it is, and a remark."""

    label: str
    figure: str
    remark: str = ""

    def __str__(self) -> str:
        line = f"{self.label:<{LABEL_WIDTH}}{self.figure:>{FIGURE_WIDTH}}   {self.remark}"
        return line.rstrip()


@dataclass(frozen=True)
class Figures:
    """What the e-mail says of the calls, part by part; without totals there were none."""

    totals: list[Line] = field(default_factory=list)
    by_day: list[Line] = field(default_factory=list)
    by_outcome: list[Line] = field(default_factory=list)


def compose(
    *,
    report: SavedReport,
    workspace: Workspace,
    now: datetime,
    unsubscribe_url: str,
    language: str = settings.LANGUAGE_CODE,
) -> ReportMail:
    """Return the e-mail of the days that ended with the workspace's last Sunday."""
    days = days_before_monday(now, report.days or 1, ZoneInfo(workspace.timezone))
    with translation.override(language):
        figures = _figures(workspace, days, now)
        title = f"{_one_line(workspace.name)}: {_one_line(report.name)}"
        has_years = days.first.year != days.last.year
        first = day_words(days.first, has_year=has_years, is_short=False)
        last = day_words(days.last, is_short=False)
        span = _("%(first)s to %(last)s") % {"first": first, "last": last}
        values = {
            "title": title,
            "span": span,
            "zone": workspace.timezone,
            "figures": figures,
            "link": f"{settings.PUBLIC_URL}/console/reports"
            f"?range=own&from={days.first}&to={days.last}",
            "unsubscribe_url": unsubscribe_url,
            "language": language,
        }
        text, html = _text_of(values), render_to_string("mail/report.html", values)
    headers = {
        "List-Unsubscribe": f"<{unsubscribe_url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    return ReportMail(f"{title}, {span}", text, html, headers)


def days_before_monday(now: datetime, amount: int, zone: ZoneInfo) -> Days:
    """Return so many whole days, of which the last is the Sunday before now."""
    today = now.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    return Days(monday - timedelta(days=amount), monday - timedelta(days=1), zone)


def _text_of(values: Mapping[str, Any]) -> str:
    figures: Figures = values["figures"]
    lines = [values["title"], f"{values['span']}, {values['zone']}", ""]
    if not figures.totals:
        lines += [_("No call was made in these days."), ""]
    for heading, part in (
        ("", figures.totals),
        (_("By day"), figures.by_day),
        (_("How the calls ended"), figures.by_outcome),
    ):
        if part:
            lines += [heading] if heading else []
            lines += [*map(str, part), ""]
    return "\n".join(
        [
            *lines,
            f"{_('The whole report')}: {values['link']}",
            "",
            _("You get this each Monday, because you asked for it."),
            f"{_('To end it, no sign-in needed')}: {values['unsubscribe_url']}",
            "",
        ]
    )


def _figures(workspace: Workspace, days: Days, now: datetime) -> Figures:
    totals = _summary(workspace, days, "outcome", now)["totals"]
    if not totals["calls"]:
        return Figures()
    amount = days.amount
    earlier = Days(days.first - timedelta(days=amount), days.first - timedelta(days=1), days.zone)
    before = _summary(workspace, earlier, "outcome", now)["totals"]
    lines = [
        Line(_("Calls"), _count(totals["calls"]), _change(totals["calls"], before["calls"])),
        Line(
            _("Answered"),
            _count(totals["answered"]),
            _change(totals["answered"], before["answered"]),
        ),
        Line(_("Answer rate"), _percent(totals["answer_rate"]), _was(before["answer_rate"])),
        Line(_("Talk time"), _duration(totals["talk_seconds"])),
    ]
    if (cost := _cost(_summary(workspace, days, "agent_version", now)["groups"])) is not None:
        lines.append(Line(_("Cost of the models"), cost))
    by_day = _by_day(workspace, days, now) if amount <= MAX_DAYS_LISTED else []
    return Figures(lines, by_day, _by_outcome(totals["outcomes"]))


def _summary(workspace: Workspace, days: Days, group_by: str, now: datetime) -> dict[str, Any]:
    span = find_span(
        workspace=workspace, group_by=group_by, now=now, since=days.since, until=days.until
    )
    return summarize(workspace=workspace, span=span)


def _by_day(workspace: Workspace, days: Days, now: datetime) -> list[Line]:
    sums: dict[date, tuple[int, int]] = {}
    for group in _summary(workspace, days, "hour", now)["groups"]:
        day = group["key"].astimezone(days.zone).date()
        calls, answered = sums.get(day, (0, 0))
        sums[day] = (calls + group["calls"], answered + group["answered"])
    return [
        Line(
            day_words(day, has_year=False, has_weekday=True),
            _count(calls),
            _("%(number)s answered") % {"number": _count(answered)},
        )
        for day, (calls, answered) in sorted(sums.items())
    ]


def _by_outcome(outcomes: Mapping[str, int]) -> list[Line]:
    ordered = sorted(outcomes.items(), key=lambda item: (-item[1], item[0]))
    return [
        Line(str(OUTCOME_NAMES.get(outcome, outcome)), _count(calls)) for outcome, calls in ordered
    ]


def _cost(versions: list[dict[str, Any]]) -> str | None:
    amounts = [version["cost"]["amount"] for version in versions if version["cost"]]
    return amount_words(round(sum(amounts) * MILLION)) if amounts else None


def _count(number: int) -> str:
    return number_format(number, force_grouping=True)


def _change(now: int, before: int) -> str:
    if not before:
        return ""
    change = f"{100 * (now - before) / before:+.0f} %"
    return _("%(change)s against the days before") % {"change": change}


def _was(rate: float | None) -> str:
    return "" if rate is None else _("%(rate)s before") % {"rate": _percent(rate)}


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{number_format(100 * rate, decimal_pos=1)} %"


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{_count(hours)} h {minutes:02} min" if hours else f"{minutes} min"


def _one_line(name: str) -> str:
    """Return a name without line breaks, which the subject of an e-mail may not have."""
    return " ".join(name.split())
