"""The rows of the benchmark of pace and fairness: two crowds, and lists of ten that come while those are called."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connection
from django.db.models import Max, Min
from django.utils import timezone

from accounts.models import Workspace
from batches.models import Batch, Recipient
from ops.bench.dialling import NAME, clear, make_batch, make_number, refuse_a_database_in_use
from telephony.models import Call, PhoneNumber

SECOND = timedelta(seconds=1)
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
    """`paced` waits for its calls per second, `narrow` for its channels, `elsewhere` belongs to somebody else."""

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
        cursor.execute(f'ANALYZE "{Recipient._meta.db_table}"')  # as PostgreSQL does by itself, minutes later
    return scene


def _crowd(batch: Batch, people: int) -> None:
    """As PostgreSQL makes a million rows by itself: an ORM takes minutes."""
    template = _person(batch, row=2)
    template.save(force_insert=True)
    columns = [str(field.column) for field in Recipient._meta.concrete_fields]
    values = ", ".join(OF_EACH.get(column, f'r."{column}"') for column in columns)
    quoted, table = ", ".join(f'"{column}"' for column in columns), Recipient._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{table}" ({quoted}) SELECT {values} FROM "{table}" r '  # noqa: S608
            "CROSS JOIN generate_series(3, %s) n WHERE r.id = %s",
            [people + 1, template.pk],
        )


def small_list(number: PhoneNumber) -> UUID:
    """A list of ten that starts now."""
    batch = make_batch(number)
    Recipient.unscoped.bulk_create(_person(batch, row=row) for row in range(2, 2 + SMALL))
    return batch.pk


def _person(batch: Batch, *, row: int) -> Recipient:
    phone_number = f"+1{2010000000 + row}"
    return Recipient(
        workspace_id=batch.workspace_id,
        batch=batch,
        row_number=row,
        phone_number=phone_number,
        values=[phone_number, "Ada"],
        due_at=timezone.now(),
    )


def waited(batch_id: UUID) -> tuple[float, float]:
    """Seconds from a list's start to its first call and to its last; until now, where that was not made."""
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
    return max((bisect_left(times, at + 1.0) - index for index, at in enumerate(times)), default=0)


def share_used(times: Sequence[float], rate: float, *, after: float) -> float:
    """How much of the calls per second was used, from `after` seconds past the first call to the last one."""
    steady = [at for at in times if at >= times[0] + after] if times else []
    return (len(steady) - 1) / (steady[-1] - steady[0]) / rate if len(steady) > 1 else 0.0
