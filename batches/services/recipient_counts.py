"""Looking after the counts of recipients: adding rows of one key up, and counting anew.

Triggers keep the counts (batches/models/count_triggers.py). On PostgreSQL every statement adds rows
of its own, which a worker folds into one per key; until then they are added up when they are read.
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

from django.db import connection, transaction

from batches.models import Batch, RecipientCount
from batches.models.count_triggers import (
    COUNT_KEY,
    COUNT_KEY_OF_ROW,
    COUNTS_TABLE,
    RECIPIENTS_TABLE,
    create_triggers,
    lacks_triggers,
)
from voiceops.db.chunks import chunked

MAX_BATCHES_PER_STEP = 100
# Of PostgreSQL: who holds it is the only one to delete counts.
COUNTS_LOCK = 0x766F_6374
_FOLD = f"""
WITH found AS (
    DELETE FROM {COUNTS_TABLE} WHERE batch_id = ANY(%s) RETURNING {COUNT_KEY}, recipients
)
INSERT INTO {COUNTS_TABLE} ({COUNT_KEY}, recipients, is_folded)
SELECT {COUNT_KEY}, SUM(recipients), TRUE FROM found
GROUP BY {COUNT_KEY} HAVING SUM(recipients) <> 0
"""  # noqa: S608 our own names
_COUNT = f"""
INSERT INTO {COUNTS_TABLE} ({COUNT_KEY}, recipients, is_folded)
SELECT {COUNT_KEY_OF_ROW}, COUNT(*), TRUE FROM {RECIPIENTS_TABLE} WHERE %s GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608 our own names


def fold_counts() -> bool:
    """Add up the new counts of some batches; returns whether there may be more.

    Whoever reads meanwhile finds the same sums. Any number of processes may do it at once: one of
    them does.
    """
    if connection.vendor != "postgresql":
        # Counts are changed in place, and only what has come to zero can be left out.
        RecipientCount.unscoped.filter(recipients=0).delete()
        return False
    unfolded = RecipientCount.unscoped.filter(is_folded=False).values_list("batch_id", flat=True)
    batch_ids = list(unfolded.order_by("batch_id").distinct()[:MAX_BATCHES_PER_STEP])
    if not batch_ids:
        return False
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [COUNTS_LOCK])
        [[is_ours]] = cursor.fetchall()
        if is_ours:
            cursor.execute(_FOLD, [batch_ids])
    return bool(is_ours) and len(batch_ids) == MAX_BATCHES_PER_STEP


def recount_everything() -> Iterator[int]:
    """Count the recipients of every batch anew; yields how many batches have been counted.

    Meanwhile the counts remain right at any time, if they were.
    """
    known = Batch.unscoped.order_by().values_list("pk", flat=True)
    counted = RecipientCount.unscoped.order_by().values_list("batch_id", flat=True)
    done = 0
    for batch_ids in chunked(sorted({*known, *counted}), MAX_BATCHES_PER_STEP):
        recount(batch_ids)
        done += len(batch_ids)
        yield done


def recount(batch_ids: Sequence[UUID]) -> None:
    """Count the recipients of these batches anew.

    On PostgreSQL one statement, and so one view of both tables: what is committed while it runs has
    added counts that it neither sees nor deletes.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [COUNTS_LOCK])
            where = "batch_id = ANY(%s)"
            deletion = f"WITH gone AS (DELETE FROM {COUNTS_TABLE} WHERE {where})"  # noqa: S608
            ids = list(batch_ids)
            cursor.execute(deletion + _COUNT.replace("%s", where), [ids, ids])
            return
        RecipientCount.unscoped.filter(batch_id__in=batch_ids).delete()
        marks = ", ".join(["%s"] * len(batch_ids))
        cursor.execute(_COUNT.replace("%s", f"batch_id IN ({marks})"), [pk.hex for pk in batch_ids])


def restore_counts(**_: object) -> None:
    """Put the triggers back, and count anew, where a migration has lost them (SQLite)."""
    if lacks_triggers(connection):
        with transaction.atomic():
            create_triggers(connection)
            for _done in recount_everything():
                pass
