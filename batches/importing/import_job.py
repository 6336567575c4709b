"""Stores an uploaded list as recipients and rejected rows, a chunk at a time.

Each chunk's rows and how far they reach (`batch.rows_read`) are one transaction, so an import that
is killed goes on where it stopped and ends with the same rows. Who imports holds a lease on the
batch (`import_lease_expires_at`); the sweep rings again for a list whose lease ran out. A list that
turns out to be unreadable leaves nothing behind.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q

from batches.importing.chunk_writer import ChunkWriter, Prepared
from batches.importing.column_alignment import Aligned
from batches.importing.columns import SavedColumnMapping
from batches.importing.parallel_writer import ParallelWriter, Turn
from batches.importing.phones import PhoneParser
from batches.importing.read_ahead import ReadAhead
from batches.importing.row_validation import Accepted, Rejected, validate_row
from batches.importing.source import UnreadableUpload
from batches.importing.table import Table, open_table
from batches.models import Batch, Recipient, RejectedRow
from batches.services.column_mappings import remembered_mappings
from voiceops.core.clock import database_now
from voiceops.core.errors import StateForbids

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)  # a chunk takes a tenth of a second, on a drowning machine some
RENEW_SECONDS = 4.0
CHUNK_ROWS = 10_000
LONG_FROM = 20_000  # rows
ANALYZED_FROM = 5_000  # rows
Verdict = Accepted | Rejected
HandOver = Callable[[UUID], None]


class LostLeaseError(Exception):
    """Somebody else imports this list now, or the batch is gone: whatever was not committed is
    theirs.
    """


def overdue_imports() -> list[UUID]:
    """Batches with a list that nobody is reading."""
    waiting = Q(import_lease_expires_at=None) | Q(import_lease_expires_at__lt=database_now())
    return list(
        Batch.unscoped.filter(waiting)
        .exclude(upload="")
        .order_by("pk")
        .values_list("pk", flat=True)[:50]
    )


def begin_append(*, batch: Batch, upload: str) -> None:
    """Note that `upload` is to be read behind what the batch has; ring for the import afterwards.

    Raises StateForbids while another list of the batch is being read.
    """
    found = Batch.unscoped.filter(pk=batch.pk, upload="").update(
        upload=upload,
        rows_before=F("rows_before") + F("rows_read"),
        rows_read=0,
        rows_total=None,
        import_lease_expires_at=None,
    )
    if not found:
        raise StateForbids("Batch is still reading an earlier list")


def import_batch(batch_id: str | UUID, *, then: HandOver | None = None) -> None:
    """Read the batch's uploaded list into rows, from where an earlier import stopped.

    Nothing happens when there is no list, or somebody else is reading it. `then` is called with the
    batch's id in the transaction that ends the import: whoever is killed before has not ended it,
    and the sweep lets it be done again.
    """
    lease = _Lease.take(UUID(str(batch_id)))
    if lease is None:
        return
    batch = Batch.unscoped.select_related("agent_version", "workspace").get(pk=batch_id)
    try:
        _store(batch, lease, then)
    except (LostLeaseError, IntegrityError):
        logger.warning("Import of batch %s stopped: its lease is somebody else's", batch_id)
    except FileNotFoundError:
        _refuse(batch, lease, "The uploaded file is gone: upload it again.", then)
    except UnreadableUpload as error:
        _refuse(batch, lease, str(error), then)


def upload_path(name: str) -> Path:
    """The file of `Batch.upload`."""
    path: Path = settings.DATA_DIR / "uploads" / name
    return path


@dataclass(slots=True)
class _Lease:
    """The right to write one batch's rows. Its expiry is its token: who holds another one writes
    nothing.
    """

    batch_id: UUID
    expires_at: datetime

    @classmethod
    def take(cls, batch_id: UUID) -> "_Lease | None":
        now = database_now()
        free = Q(import_lease_expires_at=None) | Q(import_lease_expires_at__lt=now)
        lease = cls(batch_id, now + LEASE)
        waiting = Batch.unscoped.filter(free, pk=batch_id).exclude(upload="")
        return lease if waiting.update(import_lease_expires_at=lease.expires_at) else None

    def save(self, **fields: object) -> None:
        """Renew the lease and write fields of the batch with it. Raises LostLeaseError."""
        until = database_now() + LEASE
        self._update(import_lease_expires_at=until, **fields)
        self.expires_at = until

    def end(self, **fields: object) -> None:
        """Give the lease back with the list's name and write fields of the batch with it. Raises
        LostLeaseError.
        """
        self._update(import_lease_expires_at=None, upload="", **fields)

    def _update(self, **fields: object) -> None:
        mine = Batch.unscoped.filter(pk=self.batch_id, import_lease_expires_at=self.expires_at)
        if not mine.update(**fields):
            raise LostLeaseError


def _store(batch: Batch, lease: _Lease, then: HandOver | None) -> None:
    reading = _Reading(batch)
    with ReadAhead(reading.verdicts, CHUNK_ROWS) as ahead:
        keeper: ChunkStore | None = None
        for chunk in ahead.chunks(while_waiting=lease.save, every_seconds=RENEW_SECONDS):
            keeper = keeper or ChunkStore(batch, lease, reading.table)
            keeper.keep(chunk)
            if keeper.is_long:
                break
        if keeper is not None and keeper.is_long:
            keeper.keep_in_lanes(ahead)
    _finish(batch, lease, then)


class ChunkStore:
    """Stores a list's chunks, each with how far it reaches in one transaction."""

    def __init__(self, batch: Batch, lease: _Lease, table: Table) -> None:
        self._batch, self._lease, self._table = batch, lease, table
        self._aligned = Aligned(batch, table.columns)
        adopt(batch, table.columns.remembered)
        self._writer = ChunkWriter(batch, self._aligned)
        self._rows = 0
        self._in_order = (
            self._aligned.mends or connection.vendor != "postgresql"
        )  # SQLite has one writer at a time

    @property
    def is_long(self) -> bool:
        """Whether the rest is worth two more connections, and may be stored in lanes."""
        return self._rows >= LONG_FROM and not self._in_order

    def keep(self, chunk: Sequence[Verdict]) -> None:
        self._rows += len(chunk)
        with transaction.atomic():
            _commit_lazily()
            rejected = self._writer.write(chunk)
            self._note(chunk[-1].row_number, rejected)

    def keep_in_lanes(self, ahead: ReadAhead[Verdict]) -> None:
        with ParallelWriter(self._keep_prepared) as lanes:

            def renew() -> None:
                lanes.flush()  # who stores a chunk renews the lease with it
                self._lease.save()

            for chunk in ahead.chunks(while_waiting=renew, every_seconds=RENEW_SECONDS):
                lanes.submit(self._writer.prepare(chunk))
            lanes.flush()

    def _keep_prepared(self, prepared: Prepared, wait_for_turn: Turn) -> None:
        with transaction.atomic():
            _commit_lazily()
            self._writer.insert(prepared)
            _check_references()
            wait_for_turn()
            self._note(prepared.last_row, prepared.change)

    def _note(self, last_row: int, rejected: int) -> None:
        self._lease.save(
            rows_read=last_row,
            rows_total=self._table.expected_rows,
            rejected_count=F("rejected_count") + rejected,
            column_mapping=self._batch.column_mapping,
            default_country=self._batch.default_country,
            columns=self._aligned.names,
            variable_names=self._aligned.variables,
        )


class _Reading:
    """The list of one batch, opened and judged in the reading thread."""

    table: Table

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._known = [
            variable["name"] for variable in batch.agent_version.config.get("variables") or []
        ]
        self._remembered = [] if batch.rows_before else remembered_mappings(batch.workspace_id)

    def verdicts(self) -> Iterator[Verdict]:
        batch = self._batch
        opened = open_table(
            upload_path(batch.upload),
            max_rows=settings.MAX_UPLOAD_ROWS,
            mapping=batch.column_mapping,
            known=self._known,
            appended=batch.rows_before > 0,
            remembered=self._remembered,
        )
        with opened as self.table:
            saved = self.table.columns.remembered
            parser = PhoneParser(
                batch.default_country or (saved.default_country if saved else None)
            )
            for verdict in validate_row(self.table, parser):
                if verdict.row_number > batch.rows_read:
                    yield verdict


def adopt(batch: Batch, saved: SavedColumnMapping | None) -> None:
    """The batch keeps the mapping that was remembered for its list: rows appended later are read by
    it too.
    """
    if saved is not None:
        batch.column_mapping = saved.column_mapping
        batch.default_country = batch.default_country or saved.default_country


def _finish(batch: Batch, lease: _Lease, then: HandOver | None) -> None:
    with transaction.atomic():
        _analyze_table(batch)
        lease.end(rows_total=F("rows_read"))
        Batch.unscoped.filter(pk=batch.pk, status=Batch.Status.VALIDATING).update(
            status=Batch.Status.READY
        )
        if then is not None:
            then(batch.pk)
    upload_path(batch.upload).unlink(missing_ok=True)


def _commit_lazily() -> None:
    """Do not wait for the disk at each chunk: after a crash of the server rows and `rows_read` are
    lost together.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO OFF")


def _check_references() -> None:
    """Check foreign keys now: at the commit, the chunk behind this one would have to wait for it."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def _analyze_table(batch: Batch) -> None:
    """Let PostgreSQL know at once that the table has grown; by itself it notices after minutes, and
    plans badly.
    """
    if (
        connection.vendor == "postgresql"
        and Recipient.unscoped.filter(batch=batch)[ANALYZED_FROM:].exists()
    ):
        with connection.cursor() as cursor:
            cursor.execute(f'ANALYZE "{Recipient._meta.db_table}"')


def _refuse(batch: Batch, lease: _Lease, sentence: str, then: HandOver | None) -> None:
    """Nothing of an unreadable list stays: the rows it had already given go, and the batch says
    why.
    """
    with transaction.atomic():
        Recipient.unscoped.filter(batch=batch, row_number__gt=batch.rows_before).delete()
        RejectedRow.unscoped.filter(batch=batch, row_number__gt=batch.rows_before).delete()
        kept = RejectedRow.unscoped.filter(batch=batch).count()
        lease.end(error=sentence, rows_read=0, rejected_count=kept)
        Batch.unscoped.filter(pk=batch.pk, status=Batch.Status.VALIDATING).update(
            status=Batch.Status.FAILED
        )
        if then is not None:
            then(batch.pk)
    upload_path(batch.upload).unlink(missing_ok=True)
