"""Counting calls by the hour (`HourlyCalls`): once an hour is over, and again when a call changes.

An hour is counted some minutes after its end. From its end on, whatever changes a call's figures
marks the call (`mark_for_recount`), and an hour with a marked call is read from the calls until it
has been counted again. The minutes between are longer than any transaction may take, so that no
change falls into the gap.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from telephony.models import Call, CallQuerySet, HourlyCalls, HourlyCursor, HourlyLatency
from telephony.reporting.hourly_calls import (
    CLOCK_SLACK,
    CRITERIA,
    HOUR,
    HOURLY_CURSOR_NAME,
    group_calls,
    made_in,
    start_of_hour,
)
from telephony.reporting.latency import SHARES, group_latency
from voiceops.core.clock import database_now

# Longer than a transaction may take, and than clocks differ (voiceops/core/statement_timeouts.py).
COUNTED_AFTER = timedelta(minutes=5)
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)  # no call is older
MAX_CALLS_PER_STEP = 2_000  # unless a single hour has more: SQLite's other writers wait meanwhile
MAX_STEPS_PER_ROUND = 50
MAX_RECOUNTS_PER_ROUND = 50
INSERT_ROWS = 500
# Column of `HourlyCalls` by criterion.
COLUMNS = {
    "hour": "hour",
    "workspace": "workspace_id",
    "batch": "batch_id",
    "agent": "agent_id",
    "agent_version": "agent_version_id",
    "number": "own_number",
    "outcome": "outcome",
    "sip_status": "sip_status_code",
}


def count_hours() -> int:
    """Count hours that are over, then again those in which a call has changed since.

    One bounded round; returns how many steps it took. Any number of processes may run it at once:
    one of them counts.
    """
    closed = start_of_hour(database_now() - COUNTED_AFTER)
    HourlyCursor.objects.get_or_create(name=HOURLY_CURSOR_NAME, defaults={"position": BEGINNING})
    steps = 0
    while steps < MAX_STEPS_PER_ROUND and _count_next(closed):
        steps += 1
    return steps + sum(_recount(*hour) for hour in _find_changed_hours())


def recount_everything() -> Iterator[datetime]:
    """Count every counted hour again, from the first; yields how far it has come.

    Meanwhile the counts remain right at any time.
    """
    position = BEGINNING
    while True:
        with transaction.atomic():
            # Waits for a worker that counts.
            cursor = (
                HourlyCursor.objects.select_for_update().filter(name=HOURLY_CURSOR_NAME).first()
            )
            if cursor is None or position >= cursor.position:
                return
            end = _find_end(position, cursor.position)
            _count_span(position, end)
            position = end
        yield position


def _count_next(closed: datetime) -> bool:
    """Count the next hours. False when none is left, or another process counts."""
    if not HourlyCursor.objects.filter(name=HOURLY_CURSOR_NAME, position__lt=closed).exists():
        return False
    with transaction.atomic():
        cursor = _lock_cursor()
        if cursor is None or cursor.position >= closed:
            return False
        end = _find_end(cursor.position, closed)
        _count_span(cursor.position, end)
        cursor.position = end
        cursor.save(update_fields=["position"])
    return True


def _lock_cursor() -> HourlyCursor | None:
    rows = HourlyCursor.objects.select_for_update(skip_locked=True)
    return rows.filter(name=HOURLY_CURSOR_NAME).first()


def _find_end(position: datetime, closed: datetime) -> datetime:
    """Return until when hours are counted in one step: as many as have few enough calls."""
    times = _calls_in(position, closed).order_by("pk").values_list("created_at", flat=True)
    first = times.first()
    if first is None:
        return closed
    beyond = times[MAX_CALLS_PER_STEP : MAX_CALLS_PER_STEP + 1].first()
    if beyond is None:
        return closed
    # The first by id may be a little later than another.
    first_hour = max(position, start_of_hour(first - CLOCK_SLACK))
    return min(closed, max(first_hour + HOUR, start_of_hour(beyond)))


def _find_changed_hours() -> list[tuple[datetime, UUID]]:
    position = HourlyCursor.objects.filter(name=HOURLY_CURSOR_NAME).values_list(
        "position", flat=True
    )
    changed = Call.unscoped.filter(recount_at__isnull=False, created_at__lt=position[:1])
    hours = changed.annotate(hour=CRITERIA["hour"][0]).order_by("hour", "workspace_id")
    return list(hours.values_list("hour", "workspace_id").distinct()[:MAX_RECOUNTS_PER_ROUND])


def _recount(hour: datetime, workspace_id: UUID) -> bool:
    """Count one hour of a workspace again. False when another process counts."""
    with transaction.atomic():
        if _lock_cursor() is None:
            return False
        _count_span(hour, hour + HOUR, workspace_id)
    return True


def _count_span(since: datetime, until: datetime, workspace_id: UUID | None = None) -> None:
    """Write the counts of whole hours anew. The caller holds the cursor's lock."""
    of_workspace = Q() if workspace_id is None else Q(workspace=workspace_id)
    # The marks go first: what is marked after that is not in the counts. A call that someone else
    # has locked keeps its mark, and is counted again once more.
    marked = Call.unscoped.filter(of_workspace, recount_at__isnull=False)
    of_span = marked.filter(created_at__gte=since, created_at__lt=until)
    locked = of_span.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)
    Call.unscoped.filter(pk__in=list(locked)).update(recount_at=None)

    calls = _calls_in(since, until).filter(of_workspace)
    of_hours = of_workspace & Q(hour__gte=since, hour__lt=until)
    HourlyCalls.unscoped.filter(of_hours).delete()
    HourlyCalls.unscoped.bulk_create(_counts_of(calls), batch_size=INSERT_ROWS)
    HourlyLatency.unscoped.filter(of_hours).delete()
    HourlyLatency.unscoped.bulk_create(_latency_of(calls), batch_size=INSERT_ROWS)


def _calls_in(since: datetime, until: datetime) -> CallQuerySet:
    calls: CallQuerySet = Call.unscoped.listed().filter(made_in(since, until))
    return calls


def _counts_of(calls: CallQuerySet) -> Iterator[HourlyCalls]:
    for *key, number, talk, cost_micros, priced in group_calls(calls, [*COLUMNS]):
        yield HourlyCalls(
            **dict(zip(COLUMNS.values(), key, strict=True)),
            calls=number,
            talk=talk or timedelta(),
            cost_micros=cost_micros or 0,
            priced_calls=priced,
        )


def _latency_of(calls: CallQuerySet) -> Iterator[HourlyLatency]:
    for figure in SHARES:
        rows = group_latency(calls, figure, "hour", "workspace", "agent_version")
        for hour, workspace_id, version_id, milliseconds, number in rows:
            yield HourlyLatency(
                hour=hour,
                workspace_id=workspace_id,
                agent_version_id=version_id,
                figure=figure,
                milliseconds=milliseconds,
                calls=number,
            )
