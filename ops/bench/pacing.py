"""The rows of the pacing benchmark: two large lists, and lists of ten that are started while those
are called.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import Max, Min
from django.utils import timezone

from accounts.models import Workspace
from batches.models import Batch, Recipient
from ops.bench.dialing import (
    BENCH_WORKSPACE,
    build_recipient,
    clear_dialing,
    make_batch,
    make_number,
    require_unused_database,
)
from ops.bench.row_copies import copy_row
from ops.drill.invariants import most_within
from telephony.models import Call, PhoneNumber

SMALL_LIST_ROWS = 10
FAST_RATE = 1000.0  # calls per second: not what limits the number with few channels
MANY_CHANNELS = 10_000  # concurrent calls: not what limits the paced numbers
# The columns in which the recipients of a large list differ from its first.
RECIPIENT_DIFFERENCES = {
    "id": "gen_random_uuid()",
    "row_number": "n",
    "phone_number": "'+1' || (2010000000 + n)",
    "values": "jsonb_build_array('+1' || (2010000000 + n), 'Ada')",
}


@dataclass(frozen=True)
class PacingScene:
    """Three numbers: `paced` is limited by its calls per second, `narrow` by its channels, and
    `elsewhere` belongs to another workspace.
    """

    paced: PhoneNumber
    narrow: PhoneNumber
    elsewhere: PhoneNumber


def prepare_pacing(recipients: int, *, rate: float, channels: int) -> PacingScene:
    """A list of that length on the paced number, and one of a tenth on the narrow number.

    Raises DomainError in a database that is in use.
    """
    require_unused_database()
    clear_dialing()
    # Both lists hold the same numbers, and no gap may hold the second back.
    ours, theirs = (
        Workspace.unscoped.create(name=BENCH_WORKSPACE, min_gap_minutes=0) for _ in range(2)
    )
    scene = PacingScene(
        paced=make_number(ours, "+12025550100", rate=rate, channels=MANY_CHANNELS),
        narrow=make_number(ours, "+12025550101", rate=FAST_RATE, channels=channels),
        elsewhere=make_number(theirs, "+12025550102", rate=rate, channels=MANY_CHANNELS),
    )
    _fill_batch(make_batch(scene.paced), recipients)
    _fill_batch(make_batch(scene.narrow), recipients // 10)
    with connection.cursor() as cursor:
        # PostgreSQL does this by itself, but only minutes later.
        cursor.execute(f'ANALYZE "{Recipient._meta.db_table}"')
    return scene


def _fill_batch(batch: Batch, recipients: int) -> None:
    first = _build_recipient(batch, row=2)
    first.save(force_insert=True)
    source = "generate_series(3, %s) n"
    copy_row(first, RECIPIENT_DIFFERENCES, source=source, params=[recipients + 1])


def start_small_list(number: PhoneNumber) -> UUID:
    """Start a batch of ten recipients now; returns its id."""
    batch = make_batch(number)
    rows = range(2, 2 + SMALL_LIST_ROWS)
    Recipient.unscoped.bulk_create(_build_recipient(batch, row=row) for row in rows)
    return batch.pk


def _build_recipient(batch: Batch, *, row: int) -> Recipient:
    return build_recipient(batch, row=row, phone_number=f"+1{2010000000 + row}")


def wait_seconds(batch_id: UUID) -> tuple[float, float]:
    """Seconds from the start of a small list to its first call, and to its last.

    For a call that has not been made, seconds until now.
    """
    started_at = Batch.unscoped.get(pk=batch_id).created_at
    calls = Call.unscoped.filter(batch_id=batch_id, dialed_at__isnull=False)
    span = calls.aggregate(first=Min("dialed_at"), last=Max("dialed_at"))
    now = timezone.now()
    first = span["first"] or now
    last = span["last"] if calls.count() == SMALL_LIST_ROWS else now
    return (first - started_at).total_seconds(), (last - started_at).total_seconds()


def sent_times(number: PhoneNumber) -> list[float]:
    """When the calls of a number were sent, as Unix times in order."""
    calls = Call.unscoped.filter(number=number, dialed_at__isnull=False).order_by("dialed_at")
    return [at.timestamp() for at in calls.values_list("dialed_at", flat=True) if at is not None]


def fullest_second(times: Sequence[float]) -> int:
    """The most of the sorted `times` within any window of one second."""
    return most_within(times, 1.0)


def share_used(times: Sequence[float], rate: float, *, after: float) -> float:
    """Which share of `rate` (calls per second) was used, from `after` seconds past the first call
    to the last.
    """
    # Until every worker is dialing, the pace cannot be used up.
    steady = [at for at in times if at >= times[0] + after] if times else []
    if len(steady) < 2:
        return 0.0
    return (len(steady) - 1) / (steady[-1] - steady[0]) / rate
