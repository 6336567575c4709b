"""The rows of the benchmark of pace and fairness: two crowds, and lists of ten that come while
those are called.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import Max, Min
from django.utils import timezone

from accounts.models import Workspace
from batches.models import Batch, Recipient
from ops.bench.copies import copy_row
from ops.bench.dialling import (
    NAME,
    clear,
    make_batch,
    make_number,
    make_person,
    refuse_a_database_in_use,
)
from ops.drill.invariants import most_within
from telephony.models import Call, PhoneNumber

SMALL = 10  # people on a list that comes late
# Every person of a crowd is like its first, but for these columns.
OF_EACH = {
    "id": "gen_random_uuid()",
    "row_number": "n",
    "phone_number": "'+1' || (2010000000 + n)",
    "values": "jsonb_build_array('+1' || (2010000000 + n), 'Ada')",
}


@dataclass(frozen=True)
class Scene:
    """`paced` waits for its calls per second, `narrow` for its channels, `elsewhere` belongs to
    somebody else.
    """

    paced: PhoneNumber
    narrow: PhoneNumber
    elsewhere: PhoneNumber


def prepare(people: int, *, rate: float, channels: int) -> Scene:
    """A crowd of so many people on the paced number, and a tenth as many on the narrow one.

    Raises DomainError in a database that somebody works with.
    """
    refuse_a_database_in_use()
    clear()
    ours, theirs = (Workspace.unscoped.create(name=NAME) for _ in range(2))
    scene = Scene(
        paced=make_number(ours, "+12025550100", rate=rate, most=10_000),
        narrow=make_number(ours, "+12025550101", rate=1000.0, most=channels),
        elsewhere=make_number(theirs, "+12025550102", rate=rate, most=10_000),
    )
    _crowd(make_batch(scene.paced), people)
    _crowd(make_batch(scene.narrow), people // 10)
    with connection.cursor() as cursor:
        cursor.execute(
            f'ANALYZE "{Recipient._meta.db_table}"'
        )  # as PostgreSQL does by itself, minutes later
    return scene


def _crowd(batch: Batch, people: int) -> None:
    first = _person(batch, row=2)
    first.save(force_insert=True)
    copy_row(first, OF_EACH, beside="generate_series(3, %s) n", params=[people + 1])


def small_list(number: PhoneNumber) -> UUID:
    """A list of ten that starts now."""
    batch = make_batch(number)
    Recipient.unscoped.bulk_create(_person(batch, row=row) for row in range(2, 2 + SMALL))
    return batch.pk


def _person(batch: Batch, *, row: int) -> Recipient:
    return make_person(batch, row=row, phone_number=f"+1{2010000000 + row}")


def waited(batch_id: UUID) -> tuple[float, float]:
    """Seconds from a list's start to its first call and to its last; until now, where that was not
    made.
    """
    came = Batch.unscoped.get(pk=batch_id).created_at
    calls = Call.unscoped.filter(batch_id=batch_id, dialed_at__isnull=False)
    span = calls.aggregate(first=Min("dialed_at"), last=Max("dialed_at"))
    forever = timezone.now()
    last = span["last"] if calls.count() == SMALL else forever
    return ((span["first"] or forever) - came).total_seconds(), (last - came).total_seconds()


def sent(number: PhoneNumber) -> list[float]:
    """When the calls of a number were sent, in Unix time, in order."""
    times = Call.unscoped.filter(number=number, dialed_at__isnull=False).order_by("dialed_at")
    return [at.timestamp() for at in times.values_list("dialed_at", flat=True) if at is not None]


def fullest_second(times: Sequence[float]) -> int:
    """The most within any window of one second; `times` in order."""
    return most_within(times, 1.0)


def share_used(times: Sequence[float], rate: float, *, after: float) -> float:
    """How much of the calls per second was used, from `after` seconds past the first call to the
    last one.
    """
    steady = [at for at in times if at >= times[0] + after] if times else []
    return (len(steady) - 1) / (steady[-1] - steady[0]) / rate if len(steady) > 1 else 0.0
