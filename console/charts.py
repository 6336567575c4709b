"""Geometry of the charts, which templates draw as inline SVG (templates/components)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console.wording.words import OUTCOME_WORDS, weekdays, words_for

# Of a batch's people, in the order of the bar. Nothing that did not happen has the first tone.
BATCH_PARTS: tuple[tuple[str, str | Promise, str], ...] = (
    ("reached", _("Reached"), "reached"),
    ("unreached", _("Not reached"), "unreached"),
    ("live", _("On the phone now"), "live"),
    ("retry", _("Will be called again"), "retry"),
    ("waiting", _("Waiting"), "waiting"),
    ("none", _("Not called"), "none"),
    ("review", _("Needs review"), "review"),
)
CHART_TONES = ("reached", "voicemail", "unreached", "busy", "failed", "none", "review")


@dataclass(frozen=True)
class Part:
    """A piece of a bar: `size` and `start` are percentages of its length."""

    label: str
    tone: str
    count: int
    start: float = 0.0
    size: float = 0.0


def stacked(parts: Iterable[tuple[str, str, int]], total: float = 0) -> list[Part]:
    """Return the pieces of one bar, of `(label, tone, count)`; those of zero are left out."""
    listed = [part for part in parts if part[2]]
    whole = total or sum(count for _label, _tone, count in listed) or 1
    pieces: list[Part] = []
    start = 0.0
    for label, tone, count in listed:
        size = 100 * count / whole
        pieces.append(Part(label, tone, count, round(start, 3), round(size, 3)))
        start += size
    return pieces


def batch_bar(counts: Mapping[str, int], outcomes: Mapping[str, int] | None = None) -> list[Part]:
    """Return what became of a batch's people.

    A list of batches has no outcomes; "completed" then stands for "reached".
    """
    unreached = counts["failed"]
    reached = counts["completed"]
    sums = {
        "reached": reached,
        "unreached": unreached,
        "live": counts["dialing"] + counts["in_call"],
        "retry": counts["retrying"],
        "waiting": counts["pending"],
        "none": counts["skipped"] + counts["cancelled"],
        "review": counts["review"],
    }
    return stacked((str(label), tone, sums[name]) for name, label, tone in BATCH_PARTS)


def funnel_of(counts: Mapping[str, int], outcomes: Mapping[str, int]) -> list[Part]:
    """Return how many of the list's rows came how far."""
    rows = counts["total"] + counts["rejected"]
    steps = (
        (gettext("Rows of the list"), rows),
        (gettext("Usable"), counts["total"]),
        (gettext("May be called"), counts["total"] - counts["skipped"]),
        (gettext("With a result"), counts["completed"] + counts["failed"]),
        (gettext("Answered"), outcomes.get("answered", 0)),
    )
    return [
        Part(label, "reached", count, 0.0, round(100 * count / (rows or 1), 3))
        for label, count in steps
    ]


def batch_pictures(
    counts: Mapping[str, int], outcomes: Mapping[str, int]
) -> dict[str, Sequence[Part]]:
    """Return what pages draw of a batch: its bar, its funnel, and how its calls ended."""
    return {
        "bar": batch_bar(counts),
        "funnel": funnel_of(counts, outcomes),
        "outcome_bars": outcome_bars(outcomes),
    }


def outcome_bars(outcomes: Mapping[str, int]) -> list[Part]:
    """Return a bar of its own for each outcome, the most frequent first."""
    return [
        replace(
            bar, label=words_for("outcome", bar.label)[0], tone=words_for("outcome", bar.label)[1]
        )
        for bar in plain_bars(outcomes)
    ]


def plain_bars(counts: Mapping[str, int]) -> list[Part]:
    """Return a bar for each label, the largest first, all in one tone."""
    largest = max(counts.values(), default=0) or 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        Part(label, "waiting", count, 0.0, round(100 * count / largest, 3))
        for label, count in ordered
    ]


@dataclass(frozen=True)
class Column:
    """A column of a chart over time; `x` and `width` are percentages of the chart's width."""

    key: str
    x: float
    width: float
    total: int
    parts: Sequence[Part]


def columns_over_time(groups: Mapping[str, Mapping[str, int]], keys: Sequence[str]) -> list[Column]:
    """Return a stacked column for each key; `groups` has the outcomes of those with calls."""
    highest = max((sum(outcomes.values()) for outcomes in groups.values()), default=0) or 1
    return _columns({key: _by_tone(groups.get(key, {})) for key in keys}, highest)


def _columns(pieces: Mapping[str, Iterable[tuple[str, str, int]]], highest: float) -> list[Column]:
    """Return a column for each key, of `(label, tone, count)`; `highest` fills the height."""
    width = 100 / (len(pieces) or 1)
    columns = []
    for index, (key, listed) in enumerate(pieces.items()):
        parts = stacked(listed, highest)
        x = round(index * width + width * 0.12, 3)
        columns.append(
            Column(key, x, round(width * 0.76, 3), sum(part.count for part in parts), parts)
        )
    return columns


PACE_TICKS = 6
MAX_HEADROOM = 8


@dataclass(frozen=True)
class PaceChart:
    """Calls by minute under a line at the pace that is allowed.

    `rates` are the points of that line; none where no pace is allowed, or one so far above the
    calls that they would be too low to be seen. `top` is what the height stands for.
    """

    columns: Sequence[Column]
    rates: str
    top: float
    every: int
    total: int
    busiest: int
    allowed: float | None


def pace_chart(calls: Mapping[str, int], allowed: float | None) -> PaceChart:
    """Return the calls of each minute as columns; `allowed` is the most that a minute may have."""
    busiest = max(calls.values(), default=0)
    line = allowed if allowed is not None and allowed <= busiest * MAX_HEADROOM else 0
    highest = max(busiest, line) or 1
    height = 100 - 100 * line / highest
    return PaceChart(
        columns=_columns({key: [("", "live", count)] for key, count in calls.items()}, highest),
        rates=f"0,{height:.2f} 100,{height:.2f}" if line else "",
        top=highest,
        every=max(1, len(calls) // PACE_TICKS),
        total=sum(calls.values()),
        busiest=busiest,
        allowed=allowed,
    )


def legend_of(outcomes: Mapping[str, int]) -> list[Part]:
    """Return label and count of every tone that a chart of these outcomes has."""
    return stacked(_by_tone(outcomes))


TONE_WORDS: dict[str, str | Promise] = {
    "reached": _("Answered"),
    "voicemail": _("Voicemail"),
    "unreached": _("No answer"),
    "busy": _("Busy or declined"),
    "failed": _("Failed"),
    "none": _("Cancelled"),
    "review": _("In doubt"),
}


def _by_tone(outcomes: Mapping[str, int]) -> list[tuple[str, str, int]]:
    sums: dict[str, int] = dict.fromkeys(CHART_TONES, 0)
    for code, count in outcomes.items():
        sums[OUTCOME_WORDS.get(code, ("", "review"))[1]] += count
    return [(str(TONE_WORDS[tone]), tone, count) for tone, count in sums.items()]


@dataclass(frozen=True)
class Cell:
    """An hour of a weekday: how many of the calls that ended were answered.

    `level` is that share in five steps, from 1 to 5; 0 is for an hour without calls.
    """

    answered: int
    ended: int
    percent: int
    level: int

    @property
    def words(self) -> str:
        """What the colour stands for."""
        figures = {
            "answered": number_format(self.answered, force_grouping=True),
            "ended": number_format(self.ended, force_grouping=True),
        }
        return gettext("%(answered)s of %(ended)s answered") % figures


HEAT_LEVELS = 5
NO_CALLS = Cell(0, 0, 0, 0)


@dataclass(frozen=True)
class HeatMap:
    """A row of cells for each weekday, for the hours between the first and the last with calls."""

    hours: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]


def heat_map(sums: Mapping[tuple[int, int], tuple[int, int]]) -> HeatMap | None:
    """Return when people answer, of `(answered, ended)` by weekday and hour.

    None if no call has ended.
    """
    hours = [hour for (_day, hour), (_answered, ended) in sums.items() if ended]
    if not hours:
        return None
    span = range(min(hours), max(hours) + 1)
    rows = [
        (name, [_cell_of(*sums.get((day, hour), (0, 0))) for hour in span])
        for day, name in weekdays()
    ]
    return HeatMap([f"{hour:02}" for hour in span], rows)


def _cell_of(answered: int, ended: int) -> Cell:
    if not ended:
        return NO_CALLS
    level = min(answered * HEAT_LEVELS // ended + 1, HEAT_LEVELS)
    return Cell(answered, ended, round(100 * answered / ended), level)


def change(now: float | None, before: float | None) -> dict[str, Any] | None:
    """Return how a figure compares with an earlier one; None where there is none."""
    if now is None or not before:
        return None
    share = (now - before) / before
    return {"percent": round(abs(share) * 100), "is_up": share > 0, "is_same": abs(share) < 0.005}
