"""Stores an uploaded list as recipients and rejected rows, a chunk at a time.

Each chunk's rows and the position they reach (`batch.rows_read`) are one transaction, so an import
that is killed continues where it stopped and ends with the same rows. A list that turns out to be
unreadable leaves no rows. What follows an import is decided by `services.imports`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet

from batches.domain.batch_transitions import FAIL_IMPORT, FINISH_IMPORT
from batches.importing.bulk_insert import (
    analyze_recipients,
    check_foreign_keys_now,
    commit_without_waiting,
)
from batches.importing.chunk_writer import ChunkWriter, PreparedChunk
from batches.importing.column_alignment import ColumnAlignment
from batches.importing.columns import SavedColumnMapping
from batches.importing.lease import ImportLease
from batches.importing.parallel_writer import ParallelWriter, WaitForTurn
from batches.importing.phones import PhoneParser
from batches.importing.read_ahead import ReadAhead
from batches.importing.row_validation import Verdict, validate_rows
from batches.importing.saved_mappings import load_saved_mappings
from batches.importing.source import upload_path
from batches.importing.table import Table, open_table
from batches.models import Batch, Recipient, RejectedRow
from voiceops.core.clock import database_now
from voiceops.db.bulk_turn import bulk_transaction

IMPORT_CHUNK_ROWS = 10_000
SQLITE_CHUNK_ROWS = 500  # others wait for the only writer meanwhile: some 20 ms
IMPORT_LEASE_RENEWAL_SECONDS = 4.0
PARALLEL_FROM_ROWS = 20_000


@dataclass
class ImportJob:
    """One import of one batch, under its lease."""

    batch: Batch
    lease: ImportLease

    @classmethod
    def claim(cls, batch_id: UUID) -> "ImportJob | None":
        """Acquire the lease; None when the batch has no list or another process is reading it."""
        lease = ImportLease.acquire(batch_id)
        if lease is None:
            return None
        batches = Batch.unscoped.select_related("agent_version", "workspace")
        return cls(batches.get(pk=batch_id), lease)

    def store_rows(self) -> None:
        """Store the rows that no earlier import of this list has stored.

        Raises UnreadableUpload for a list that cannot be used, FileNotFoundError when the file is
        gone, LostLeaseError or IntegrityError when another process imports the list.
        """
        reader = _ListReader(self.batch)
        with ReadAhead(reader.verdicts, _chunk_rows()) as ahead:
            store: ChunkStore | None = None
            chunks = ahead.chunks(
                while_waiting=self.lease.renew, every_seconds=IMPORT_LEASE_RENEWAL_SECONDS
            )
            # The columns are known once the first chunk has arrived.
            for chunk in chunks:
                store = store or ChunkStore(self.batch, self.lease, reader.table)
                store.save(chunk)
                if store.may_run_parallel:
                    break

            if store is not None and store.may_run_parallel:
                store.save_in_parallel(ahead)

    def finish(self) -> None:
        """End the import: the batch is ready. Inside the caller's transaction.

        Raises LostLeaseError.
        """
        analyze_recipients(self.batch)
        skipped = Recipient.unscoped.filter(
            batch=self.batch,
            status=Recipient.Status.SKIPPED,
            row_number__gt=self.batch.rows_before,
        )
        skipped.update(unreported_at=database_now())
        self.lease.release(rows_total=F("rows_read"))
        FINISH_IMPORT.move_all(self._this_batch())

    def fail(self, error: str) -> None:
        """End the import of an unreadable list. Inside the caller's transaction.

        The rows already read from it are deleted and the batch keeps the reason; it fails if this
        was its first list. Raises LostLeaseError.
        """
        # Rows of lists uploaded earlier stay.
        first_row = self.batch.rows_before
        Recipient.unscoped.filter(batch=self.batch, row_number__gt=first_row).delete()
        RejectedRow.unscoped.filter(batch=self.batch, row_number__gt=first_row).delete()
        rejected_count = RejectedRow.unscoped.filter(batch=self.batch).count()
        self.lease.release(error=error, rows_read=0, rejected_count=rejected_count)
        FAIL_IMPORT.move_all(self._this_batch(), ended_at=database_now())

    def _this_batch(self) -> QuerySet[Batch]:
        return Batch.unscoped.filter(pk=self.batch.pk)


class ChunkStore:
    """Stores a list's chunks, each in one transaction with the position it reaches."""

    def __init__(self, batch: Batch, lease: ImportLease, table: Table) -> None:
        self._batch = batch
        self._lease = lease
        self._table = table
        self._alignment = ColumnAlignment(batch, table.columns)
        adopt_saved_mapping(batch, table.columns.saved_mapping)
        self._writer = ChunkWriter(batch, self._alignment)
        self._row_count = 0
        # Corrections and updates write as they are prepared.
        self._writes_early = self._alignment.is_correction or batch.on_existing is not None
        # SQLite has one writer at a time.
        self._in_order = self._writes_early or connection.vendor != "postgresql"

    @property
    def may_run_parallel(self) -> bool:
        """Whether the list is long enough to be worth two more connections, and may use them."""
        return self._row_count >= PARALLEL_FROM_ROWS and not self._in_order

    def save(self, chunk: Sequence[Verdict]) -> None:
        """Store one chunk. Raises LostLeaseError, or IntegrityError for rows already stored."""
        self._row_count += len(chunk)
        prepared = None if self._writes_early else self._writer.prepare(chunk)
        with bulk_transaction():
            commit_without_waiting()
            prepared = prepared or self._writer.prepare(chunk)
            self._writer.insert(prepared)
            self._save_position(prepared.last_row, prepared.rejected_change)

    def save_in_parallel(self, ahead: ReadAhead[Verdict]) -> None:
        """Store all remaining chunks on two connections. Raises what `save` and reading raise."""
        with ParallelWriter(self._save_prepared) as writer:

            def renew_lease() -> None:
                writer.flush()  # storing a chunk renews the lease: not beside this one
                self._lease.renew()

            chunks = ahead.chunks(
                while_waiting=renew_lease, every_seconds=IMPORT_LEASE_RENEWAL_SECONDS
            )
            for chunk in chunks:
                writer.submit(self._writer.prepare(chunk))
            writer.flush()

    def _save_prepared(self, prepared: PreparedChunk, wait_for_turn: WaitForTurn) -> None:
        with transaction.atomic():
            commit_without_waiting()
            self._writer.insert(prepared)
            check_foreign_keys_now()
            # Positions have to grow chunk by chunk, or a killed import would leave a gap.
            wait_for_turn()
            self._save_position(prepared.last_row, prepared.rejected_change)

    def _save_position(self, last_row: int, rejected: int) -> None:
        self._lease.renew(
            rows_read=last_row,
            rows_total=self._table.expected_rows,
            rejected_count=F("rejected_count") + rejected,
            column_mapping=self._batch.column_mapping,
            default_country=self._batch.default_country,
            columns=self._alignment.names,
            variable_names=self._alignment.variables,
            column_roles=self._alignment.roles,
        )


def _chunk_rows() -> int:
    is_small = connection.vendor == "sqlite"
    return min(IMPORT_CHUNK_ROWS, SQLITE_CHUNK_ROWS) if is_small else IMPORT_CHUNK_ROWS


class _ListReader:
    """Opens and validates the list of one batch, in the thread that reads ahead."""

    table: Table

    def __init__(self, batch: Batch) -> None:
        # Queried here, because the reading thread may not use the database.
        self._batch = batch
        self._agent_variables = batch.agent_version.variable_names
        self._saved_mappings = [] if batch.rows_before else load_saved_mappings(batch.workspace_id)

    def verdicts(self) -> Iterator[Verdict]:
        batch = self._batch
        opened = open_table(
            upload_path(batch.upload),
            max_rows=settings.MAX_UPLOAD_ROWS,
            mapping=batch.list_mapping if batch.rows_before else batch.column_mapping,
            agent_variables=self._agent_variables,
            is_append=batch.rows_before > 0,
            saved_mappings=self._saved_mappings,
            default_country=batch.default_country,
            hidden_rows=batch.hidden_rows,
        )
        with opened as self.table:
            saved = self.table.columns.saved_mapping
            saved_country = saved.default_country if saved else None
            parser = PhoneParser(batch.default_country or saved_country)
            # Rows stored by an earlier import are read again: only reading finds their numbers.
            for verdict in validate_rows(self.table, parser):
                if verdict.row_number > batch.rows_read:
                    yield verdict


def adopt_saved_mapping(batch: Batch, saved: SavedColumnMapping | None) -> None:
    """Set the saved mapping that fitted the list on the batch, unsaved.

    Lists appended later are read by the same mapping.
    """
    if saved is not None:
        batch.column_mapping = saved.column_mapping
        batch.default_country = batch.default_country or saved.default_country
