"""When the people of a batch answer, by weekday and hour."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from batches.models import Batch
from telephony.models import Outcome
from telephony.reporting.hourly_calls import find_calls
from voiceops.core.extension_points import ExtensionPoint

MAX_PICTURED_SPAN = timedelta(days=92)
# Of more that were not counted by the hour yet, the page does not wait for the picture.
MAX_READ_CALLS = 20_000

# `(answered, ended)` by weekday (Monday is 1) and hour.
AnswerSums = Mapping[tuple[int, int], tuple[int, int]]
# What the console draws of them.
HEAT_MAPS: ExtensionPoint[Callable[[AnswerSums], Any]] = ExtensionPoint("heat map of answers")


def answer_times(batch: Batch, now: datetime) -> Any:
    """Return the picture, by the clock of the workspace; None without an ended call."""
    if batch.started_at is None:
        return None
    since = max(batch.started_at, now - MAX_PICTURED_SPAN)
    span = find_calls(since=since, until=now, workspace=batch.workspace)
    if span.reads_more_calls_than(MAX_READ_CALLS):
        return None
    zone = ZoneInfo(batch.workspace.timezone)
    sums: dict[tuple[int, int], tuple[int, int]] = {}
    for (hour, batch_id, outcome), counted in span.count("hour", "batch", "outcome").items():
        if batch_id != batch.pk or outcome is None:
            continue
        at = hour.astimezone(zone)
        answered, ended = sums.get((at.isoweekday(), at.hour), (0, 0))
        is_answered = counted.calls if outcome == Outcome.ANSWERED else 0
        sums[at.isoweekday(), at.hour] = (answered + is_answered, ended + counted.calls)
    return HEAT_MAPS.get()(sums)
