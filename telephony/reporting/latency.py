"""How long callees waited, by agent version: percentiles over the calls of a span.

A percentile cannot be added up from those of hours, but numbers of calls can: so the hours keep how
many calls had each latency, in steps that are few enough to add up the hours of a month.
"""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db.models import Count, FloatField, IntegerField, QuerySet, Sum, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Floor, Least

from telephony.models import Call, CallQuerySet, HourlyLatency
from telephony.reporting.hourly_calls import CRITERIA, CallSpan

STEP_MILLISECONDS = 50
LONGEST_SECONDS = 3600.0  # longer ones, which are no latency, count as this
# Figure of a call -> which percentile of it stands for many calls.
SHARES = {"answer_to_audio": 50, "p50": 50, "p95": 95}


def latency_by_version(span: CallSpan) -> dict[UUID | None, dict[str, float | None]]:
    """Return `{answer_to_audio, p50, p95}` in seconds of each agent version that has any.

    `answer_to_audio` and `p50` are those of the middle call, `p95` that which 95 % of the calls do
    not exceed; a figure that no call has is None.
    """
    counts: dict[UUID | None, dict[str, Counter[int]]] = {}
    for version, figure, milliseconds, calls in _read(span):
        counts.setdefault(version, {}).setdefault(figure, Counter())[milliseconds] += calls
    return {
        version: {figure: _percentile(found.get(figure), SHARES[figure]) for figure in SHARES}
        for version, found in counts.items()
    }


def group_latency(calls: CallQuerySet, figure: str, *criteria: str) -> QuerySet[Call, Any]:
    """Return a tuple per group: the values of the criteria, the milliseconds of the figure, and how
    many calls had them.
    """
    keys = {f"key_{place}": CRITERIA[name][0] for place, name in enumerate(criteria)}
    seconds = Cast(KeyTextTransform(figure, "latency"), FloatField())
    steps = Floor(Least(seconds, Value(LONGEST_SECONDS)) * (1000 / STEP_MILLISECONDS) + 0.5)
    # A figure may be missing, or null.
    named = calls.order_by().filter(**{f"latency__{figure}__isnull": False})
    rows = named.exclude(**{f"latency__{figure}": None}).annotate(
        **keys, milliseconds=Cast(steps, IntegerField()) * Value(STEP_MILLISECONDS)
    )
    return rows.values_list(*keys, "milliseconds").annotate(sum_calls=Count("pk"))


def _read(span: CallSpan) -> Iterator[tuple[UUID | None, str, int, int]]:
    for figure in SHARES:
        for version, milliseconds, calls in group_latency(span.calls, figure, "agent_version"):
            yield version, figure, milliseconds, calls
    hours = span.hours_of(HourlyLatency).order_by()
    columns = ("agent_version_id", "figure", "milliseconds")
    yield from hours.values_list(*columns).annotate(sum_calls=Sum("calls"))


def _percentile(counts: Counter[int] | None, share: int) -> float | None:
    """Return the seconds that `share` percent of the calls do not exceed."""
    if not counts:
        return None
    left = math.ceil(counts.total() * share / 100)
    for milliseconds in sorted(counts):
        left -= counts[milliseconds]
        if left <= 0:
            return milliseconds / 1000
    return None
