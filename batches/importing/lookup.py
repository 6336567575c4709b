"""Which of some thousand numbers stand in a large table already."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet

from batches.models import Batch, Recipient, Suppression
from voiceops.clock import database_now

_AT_ONCE = 5_000  # SQLite takes no more than 32 766 parameters


def find_recipients(batch: Batch, numbers: Sequence[str]) -> set[str]:
    """Those that are a recipient's of the batch."""
    if connection.vendor == "postgresql":
        return set(
            _probe(f'"{Recipient._meta.db_table}" AS rows', "batch_id = %s AND NOT is_duplicate", batch.pk, numbers)
        )
    rows = Recipient.unscoped.filter(batch=batch, is_duplicate=False)
    return set(find_in(rows, "phone_number", numbers))


def active_suppressions(workspace_id: UUID) -> "QuerySet[Suppression]":
    alive = Q(expires_at=None) | Q(expires_at__gt=database_now())
    return Suppression.unscoped.filter(alive, workspace_id=workspace_id)


def find_suppressed(workspace_id: UUID, numbers: Sequence[str]) -> set[str]:
    """Those that must not be called."""
    if connection.vendor == "postgresql":
        alive = "workspace_id = %s AND (expires_at IS NULL OR expires_at > clock_timestamp())"
        return set(_probe(f'"{Suppression._meta.db_table}" AS rows', alive, workspace_id, numbers))
    return set(find_in(active_suppressions(workspace_id), "phone_number", numbers))


def find_in(rows: "QuerySet[Any]", field: str, values: Sequence[Any], *also: str) -> Iterator[Any]:
    """The field (with others: tuples) of the rows in which it has one of the values."""
    for start in range(0, len(values), _AT_ONCE):
        some = rows.filter(**{f"{field}__in": values[start : start + _AT_ONCE]})
        yield from some.values_list(field, *also) if also else some.values_list(field, flat=True)


def _probe(table: str, condition: str, scope: UUID, numbers: Sequence[str]) -> Iterator[str]:
    """One index probe for each number.

    With `IN` PostgreSQL, which knows nothing yet about a table that has just grown, reads the whole batch instead;
    a LATERAL subquery with a LIMIT leaves it no other plan than the index on (scope, phone_number).
    """
    found = f"SELECT 1 FROM {table} WHERE {condition} AND rows.phone_number = wanted.number LIMIT 1"  # noqa: S608 - ours
    sql = f"SELECT wanted.number FROM unnest(%s::varchar[]) AS wanted(number), LATERAL ({found}) AS found"  # noqa: S608
    if numbers:
        with connection.cursor() as cursor:
            cursor.execute(sql, [list(numbers), scope])
            for (number,) in cursor.fetchall():
                yield number
