"""One chunk of verdicts into rows: duplicates, suppressions, missing variables, rows that mend
refused ones.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from django.db.models import QuerySet
from orjson import dumps
from uuid_utils import uuid7

from accounts.services.erased_numbers import load_erased_numbers
from batches.importing.bulk_insert import NewRejectedRow, RecipientInserter, insert_rejected
from batches.importing.column_alignment import ColumnAlignment
from batches.importing.existing_rows import find_in
from batches.importing.number_set import PhoneNumberSet
from batches.importing.row_validation import Accepted, Rejected
from batches.models import Batch, Recipient, RejectedRow, Suppression
from voiceops.core.clock import database_now
from voiceops.db.chunks import chunked

DUPLICATE, SUPPRESSED, MISSING_VARIABLE = "duplicate", "suppressed", "missing_variable"
Verdict = Accepted | Rejected


def required_variables(batch: Batch) -> list[str]:
    """Variables a row must bring: the agent requires them and has no default for them."""
    variables = batch.agent_version.variables
    return [
        variable["name"]
        for variable in variables
        if variable.get("required") and not variable.get("default")
    ]


class PreparedChunk(NamedTuple):
    """A chunk ready to be inserted, by any thread."""

    last_row: int  # of the list
    recipients: RecipientInserter
    encoded: list[Any]
    rejected: list[NewRejectedRow]
    rejected_change: int  # of the count of rejected rows


class ChunkWriter:
    """Writes the chunks of one import, in the caller's transactions.

    After a transaction that failed it must not be used again: it believes that chunk stored.
    """

    def __init__(self, batch: Batch, aligned: ColumnAlignment) -> None:
        self._batch = batch
        self._aligned = aligned
        self._required = [aligned.position_of(name) for name in required_variables(batch)]
        self._skips_duplicates = batch.on_duplicate == Batch.OnDuplicate.SKIP
        stored = Recipient.unscoped.filter(batch=batch, is_duplicate=False)
        self._stored = PhoneNumberSet(
            _phones(stored) if batch.rows_before or batch.rows_read else ()
        )
        suppressions = Suppression.unscoped.filter(workspace=batch.workspace_id)
        self._suppressed = PhoneNumberSet(_phones(suppressions.active_at(database_now())))
        self._erased = load_erased_numbers(batch.workspace)

    def write(self, chunk: Sequence[Verdict]) -> int:
        """Store a chunk; by how much the count of rejected rows changes is returned.

        Raises IntegrityError when another import has stored one of the rows.
        """
        prepared = self.prepare(chunk)
        self.insert(prepared)
        return prepared.rejected_change

    def prepare(self, chunk: Sequence[Verdict]) -> PreparedChunk:
        """Judge and encode the next chunk. Chunks must come in the order of the list.

        One that mends refused rows deletes them: inside the caller's transaction, then.
        """
        before, change = self._batch.rows_before, 0
        placed = [(before + verdict[0], verdict) for verdict in chunk]
        if self._aligned.is_correction:
            placed, change = self._apply_corrections(placed)
        accepted = [place for place in placed if type(place[1]) is Accepted]
        recipients = RecipientInserter(self._batch, database_now())
        encoded = list(self._encoded(accepted, recipients.encode))
        rejected = [
            self._new_rejected(number, verdict)
            for number, verdict in placed
            if isinstance(verdict, Rejected)
        ]
        return PreparedChunk(
            chunk[-1].row_number, recipients, encoded, rejected, change + len(rejected)
        )

    def insert(self, prepared: PreparedChunk) -> None:
        """Insert inside the caller's transaction. Raises IntegrityError when one of the rows is
        there already.
        """
        prepared.recipients.insert(prepared.encoded)
        insert_rejected(self._batch, prepared.rejected)

    def _encoded(
        self, accepted: Sequence[tuple[int, Any]], encode: Callable[..., Any]
    ) -> Iterator[Any]:
        arrange, suppressed, erased = self._aligned.arrange, self._suppressed, self._erased
        must_check = bool(suppressed or erased or self._required)
        news = self._stored.add([verdict[1] for _, verdict in accepted])
        for (number, (_, phone, cells, _)), is_new in zip(accepted, news, strict=True):
            cells = arrange(cells)
            reason = None
            if not is_new and self._skips_duplicates:
                reason = DUPLICATE
            elif must_check and (phone in suppressed or phone in erased):
                reason = SUPPRESSED
            elif must_check and self._lacks_variable(cells):
                reason = MISSING_VARIABLE
            yield encode(number, phone, dumps(cells).decode(), not is_new, reason)

    def _new_rejected(self, number: int, verdict: Rejected) -> NewRejectedRow:
        values = dumps(self._aligned.arrange(verdict.cells)).decode()
        return NewRejectedRow(str(uuid7()), number, verdict.code, verdict.message, values)

    def _lacks_variable(self, cells: Sequence[Any]) -> bool:
        return any(at is None or is_blank(cells[at]) for at in self._required)

    def _apply_corrections(
        self, placed: Sequence[tuple[int, Verdict]]
    ) -> tuple[list[tuple[int, Verdict]], int]:
        """Rows of a rejected.csv come back take the place of those they mend; rows mended earlier
        are left out.

        Returns the rows with their places, and by how much the count of rejected rows changes
        through the mended ones.
        """
        wanted = [verdict.corrects for _, verdict in placed if verdict.corrects is not None]
        refused = RejectedRow.unscoped.filter(batch=self._batch)
        unmended = set(find_in(refused, "row_number", wanted))
        earlier = dict(
            find_in(
                Recipient.unscoped.filter(batch=self._batch), "row_number", wanted, "phone_number"
            )
        )
        mended: list[int] = []
        result: list[tuple[int, Verdict]] = []
        for number, verdict in placed:
            mends = verdict.corrects
            if mends is not None and mends in unmended:
                unmended.discard(mends)
                mended.append(mends)
                result.append((mends, verdict))
            elif (
                mends is None
                or not isinstance(verdict, Accepted)
                or earlier.get(mends) != verdict.phone_number
            ):
                result.append((number, verdict))
        for numbers in chunked(mended):
            refused.filter(row_number__in=numbers).delete()
        return result, -len(mended)


def _phones(rows: "QuerySet[Any]") -> Iterable[str]:
    return rows.values_list("phone_number", flat=True).iterator(chunk_size=10_000)


def is_blank(cell: Any) -> bool:
    return not cell.strip() if isinstance(cell, str) else cell is None
