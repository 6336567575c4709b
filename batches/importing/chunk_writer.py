"""Turns a chunk of verdicts into rows.

Here duplicates, suppressed numbers and missing variables are found, and corrected rows take the
place of the rejected ones.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from django.db.models import QuerySet
from orjson import dumps
from uuid_utils import uuid7

from accounts.services.erased_numbers import load_erased_numbers
from batches.importing.bulk_insert import (
    NO_EXTRAS,
    NewRejectedRow,
    RecipientInserter,
    insert_rejected,
)
from batches.importing.column_alignment import ColumnAlignment
from batches.importing.existing_recipients import ExistingRecipients, Placed
from batches.importing.existing_rows import find_in
from batches.importing.number_set import PhoneNumberSet
from batches.importing.recipient_extras import extras_of
from batches.importing.row_validation import Accepted, Rejected, Verdict
from batches.importing.skip_reasons import DUPLICATE, MISSING_VARIABLE, SUPPRESSED
from batches.models import Batch, Recipient, RejectedRow, Suppression
from batches.models.column_roles import SINGLE_ROLES
from voiceops.core.clock import database_now
from voiceops.db.chunks import chunked

NUMBERS_PER_FETCH = 10_000


def required_variables(batch: Batch) -> list[str]:
    """Return the variables each row must have: required by the agent, and without a default."""
    return [
        variable["name"]
        for variable in batch.agent_version.variables
        if variable.get("required") and not variable.get("default")
    ]


def is_blank(cell: Any) -> bool:
    """Whether a cell holds nothing but spaces."""
    return not cell.strip() if isinstance(cell, str) else cell is None


class PreparedChunk(NamedTuple):
    """A chunk ready to be inserted, by any thread."""

    last_row: int  # in the list
    recipients: RecipientInserter
    encoded: list[Any]
    rejected: list[NewRejectedRow]
    rejected_change: int  # of the batch's count of rejected rows


class ChunkWriter:
    """Writes the chunks of one import, in the caller's transactions.

    Must not be used after a transaction has failed: it assumes that every chunk was stored.
    """

    def __init__(self, batch: Batch, alignment: ColumnAlignment) -> None:
        self._batch = batch
        self._alignment = alignment
        self._required = [alignment.position_of(name) for name in required_variables(batch)]
        self._skips_duplicates = batch.on_duplicate == Batch.OnDuplicate.SKIP

        # Only an appended list, or an import that continues, can meet rows stored earlier.
        has_rows = batch.rows_before or batch.rows_read
        stored = Recipient.unscoped.filter(batch=batch, is_duplicate=False)
        self._stored = PhoneNumberSet(_phone_numbers(stored) if has_rows else ())

        # Loaded at once; `number_set` explains why the database is not asked for each chunk.
        suppressions = Suppression.unscoped.filter(workspace=batch.workspace_id)
        active = suppressions.active_at(database_now())
        self._suppressed = PhoneNumberSet(_phone_numbers(active))
        self._erased = load_erased_numbers(batch.workspace)
        self._has_extras = any(role in SINGLE_ROLES for role in alignment.roles.values())
        self._existing: ExistingRecipients | None = None
        if batch.on_existing and alignment.external_id_index is not None:
            self._existing = ExistingRecipients(
                batch,
                alignment,
                required=self._required,
                stored=self._stored,
                erased=self._erased,
            )

    def prepare(self, chunk: Sequence[Verdict]) -> PreparedChunk:
        """Check and encode the next chunk; chunks must come in the order of the list.

        A correction deletes the rejected rows it replaces, and an update writes recipients: call it
        inside the transaction.
        """
        rows_before = self._batch.rows_before
        placed: list[Placed] = [(rows_before + verdict[0], verdict) for verdict in chunk]
        corrected_count = 0
        if self._alignment.is_correction:
            placed, corrected_count = self._apply_corrections(placed)
        if self._existing is not None:
            placed = self._existing.leave_out(placed)

        recipients = RecipientInserter(self._batch, database_now())
        encoded = list(self._encode_accepted(placed, recipients.encode))
        rejected = [
            self._new_rejected_row(row_number, verdict)
            for row_number, verdict in placed
            if isinstance(verdict, Rejected)
        ]
        change = len(rejected) - corrected_count
        return PreparedChunk(chunk[-1].row_number, recipients, encoded, rejected, change)

    def insert(self, prepared: PreparedChunk) -> None:
        """Insert inside the caller's transaction.

        Raises IntegrityError when one of the rows is stored already.
        """
        prepared.recipients.insert(prepared.encoded)
        insert_rejected(self._batch, prepared.rejected)

    def _encode_accepted(
        self, placed: Sequence[Placed], encode: Callable[..., Any]
    ) -> Iterator[Any]:
        # Exact types and local names: this loop runs a million times.
        accepted: list[tuple[int, Any]] = [row for row in placed if type(row[1]) is Accepted]
        arrange, suppressed, erased = self._alignment.arrange, self._suppressed, self._erased
        must_check = bool(suppressed or erased or self._required)
        is_new_number = self._stored.add([verdict[1] for _, verdict in accepted])

        for (row_number, verdict), is_new in zip(accepted, is_new_number, strict=True):
            _, phone, cells, _, others = verdict
            extras = NO_EXTRAS
            if others or self._has_extras:
                extras = extras_of(verdict, self._alignment, erased)
            cells = arrange(cells)
            # The first reason wins; previews check in the same order.
            reason = None
            if not is_new and self._skips_duplicates:
                reason = DUPLICATE
            elif must_check and (phone in suppressed or phone in erased):
                reason = SUPPRESSED
            elif must_check and self._lacks_variable(cells):
                reason = MISSING_VARIABLE
            yield encode(row_number, phone, dumps(cells).decode(), not is_new, reason, extras)

    def _new_rejected_row(self, row_number: int, verdict: Rejected) -> NewRejectedRow:
        values = dumps(self._alignment.arrange(verdict.cells)).decode()
        return NewRejectedRow(str(uuid7()), row_number, verdict.code, verdict.message, values)

    def _lacks_variable(self, cells: Sequence[Any]) -> bool:
        return any(index is None or is_blank(cells[index]) for index in self._required)

    def _apply_corrections(self, placed: Sequence[Placed]) -> tuple[list[Placed], int]:
        """Put the rows of a corrected rejected.csv in the place of those they correct.

        Returns the rows with their places, and how many rejected rows were deleted for them. Rows
        that an earlier upload has corrected in the same way are left out.
        """
        wanted = [verdict.corrects for _, verdict in placed if verdict.corrects is not None]
        rejected_rows = RejectedRow.unscoped.filter(batch=self._batch)
        uncorrected = set(find_in(rejected_rows, "row_number", wanted))
        recipients = Recipient.unscoped.filter(batch=self._batch)
        stored_numbers = dict(find_in(recipients, "row_number", wanted, "phone_number"))

        # Two rows that correct the same one: the first takes its place, the second is a new row.
        corrected: list[int] = []
        result: list[Placed] = []
        for row_number, verdict in placed:
            corrects = verdict.corrects
            if corrects is not None and corrects in uncorrected:
                uncorrected.discard(corrects)
                corrected.append(corrects)
                result.append((corrects, verdict))
            elif not _is_stored(verdict, stored_numbers):
                result.append((row_number, verdict))

        for row_numbers in chunked(corrected):
            rejected_rows.filter(row_number__in=row_numbers).delete()
        return result, len(corrected)


def _is_stored(verdict: Verdict, stored_numbers: dict[int, str]) -> bool:
    """Whether the row that the verdict corrects is a recipient with this number already."""
    return (
        isinstance(verdict, Accepted)
        and verdict.corrects is not None
        and stored_numbers.get(verdict.corrects) == verdict.phone_number
    )


def _phone_numbers(rows: "QuerySet[Any]") -> Iterable[str]:
    return rows.values_list("phone_number", flat=True).iterator(chunk_size=NUMBERS_PER_FETCH)
