"""How many calls a batch has made in each of the last minutes, and how many it might have."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from django.db.models import Count
from django.db.models.functions import TruncMinute
from django.utils import timezone

from batches.models import Batch
from batches.reporting.progress import allowed_pace, lowest_call_id
from telephony.models import Call
from voiceops.core.extension_points import ExtensionPoint

MINUTE = timedelta(minutes=1)
SECONDS_A_MINUTE = 60
MAX_PICTURED_MINUTES = 60
MIN_PICTURED_MINUTES = 10
# A fast batch is pictured for fewer minutes, because its calls are counted one by one.
MAX_COUNTED_CALLS = 20_000

# Calls by minute, as the reader's clock shows it, and the most that a minute may have.
CallsByMinute = Mapping[str, int]
# What the console draws of them.
PACE_CHARTS: ExtensionPoint[Callable[[CallsByMinute, float | None], Any]] = ExtensionPoint(
    "chart of a batch's pace"
)


def pace_times(batch: Batch, now: datetime) -> Any:
    """Return the chart of the last minutes until now, or until the batch's end.

    None without a call in them.
    """
    if batch.started_at is None:
        return None
    pace = allowed_pace(batch)
    until = _minute_of(batch.ended_at or now) + MINUTE
    since = max(until - _pictured_minutes(pace) * MINUTE, _minute_of(batch.started_at))
    counts = _count_by_minute(batch, since, until)
    if not counts:
        return None
    minutes = [since + index * MINUTE for index in range(round((until - since) / MINUTE))]
    by_clock = {f"{timezone.localtime(minute):%H:%M}": counts.get(minute, 0) for minute in minutes}
    return PACE_CHARTS.get()(by_clock, SECONDS_A_MINUTE * pace if pace else None)


def _pictured_minutes(pace: float | None) -> int:
    if not pace:
        return MIN_PICTURED_MINUTES
    affordable = ceil(MAX_COUNTED_CALLS / (SECONDS_A_MINUTE * pace))
    return max(MIN_PICTURED_MINUTES, min(MAX_PICTURED_MINUTES, affordable))


def _count_by_minute(batch: Batch, since: datetime, until: datetime) -> dict[datetime, int]:
    # The id narrows the search by its index, the time decides.
    calls = Call.unscoped.listed().filter(
        workspace=batch.workspace_id, batch_id=batch.pk, pk__gte=lowest_call_id(since)
    )
    dialed = calls.filter(dialed_at__gte=since, dialed_at__lt=until).order_by()
    minutes = dialed.annotate(minute=TruncMinute("dialed_at", tzinfo=UTC)).values_list("minute")
    return dict(minutes.annotate(Count("pk")))


def _minute_of(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(second=0, microsecond=0)
