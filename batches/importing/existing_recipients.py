"""Rows of an appended list whose external id the batch has already.

`Batch.on_existing` says whether they are left out, or update the recipient that is there. Who has
been called, or is being called, stays as it is.
"""

from collections.abc import Sequence
from typing import Any

from accounts.services.erased_numbers import ErasedNumbers
from batches.domain.recipient_transitions import RESTORE_COMPLETE, SKIP_INCOMPLETE
from batches.importing.column_alignment import ColumnAlignment
from batches.importing.number_set import PhoneNumberSet
from batches.importing.recipient_extras import external_id_of, extras_of
from batches.importing.row_validation import Accepted, Verdict
from batches.importing.skip_reasons import MISSING_VARIABLE
from batches.models import Batch, Recipient
from voiceops.core.clock import database_now
from voiceops.db.chunks import chunked

UPDATED_FIELDS = (
    *("phone_number", "values", "other_numbers", "priority", "number_position", "timezone"),
    *("status", "reason", "due_at"),
)
Placed = tuple[int, Verdict]
"""A verdict and the row number it gets in the batch."""


class ExistingRecipients:
    """Takes out of each chunk the rows that are there already. Inside the caller's transaction."""

    def __init__(
        self,
        batch: Batch,
        alignment: ColumnAlignment,
        *,
        required: Sequence[int | None],
        stored: PhoneNumberSet,
        erased: ErasedNumbers,
    ) -> None:
        self._batch = batch
        self._alignment = alignment
        self._required = required
        self._stored = stored
        self._erased = erased
        self._updates = batch.on_existing == Batch.OnExisting.UPDATE

    def leave_out(self, placed: Sequence[Placed]) -> list[Placed]:
        """Return the rows that are new, after updating recipients with the others if asked to."""
        id_of = {
            row_number: external_id_of(verdict, self._alignment)
            for row_number, verdict in placed
            if isinstance(verdict, Accepted)
        }
        known = self._find([external_id for external_id in id_of.values() if external_id])
        new: list[Placed] = []
        changed: list[Recipient] = []
        for row_number, verdict in placed:
            external_id = id_of.get(row_number)
            if external_id is None or external_id not in known:
                new.append((row_number, verdict))
                if external_id is not None:
                    # A second row with the same id in one chunk: the first one counts.
                    known[external_id] = None
                continue
            recipient = known[external_id]
            if recipient is None or not isinstance(verdict, Accepted):
                continue
            if self._updates and self._update(recipient, verdict):
                changed.append(recipient)
        Recipient.unscoped.bulk_update(changed, UPDATED_FIELDS, batch_size=500)
        return new

    def _find(self, external_ids: Sequence[str]) -> dict[str, Recipient | None]:
        """Return the batch's recipients with these ids, locked: none is claimed meanwhile."""
        known: dict[str, Recipient | None] = {}
        for chunk in chunked(external_ids):
            rows = Recipient.unscoped.select_for_update().filter(
                batch=self._batch, external_id__in=chunk
            )
            # Where one id stands twice, the first row is meant.
            for recipient in rows.order_by("-row_number"):
                known[str(recipient.external_id)] = recipient
        return known

    def _update(self, recipient: Recipient, verdict: Accepted) -> bool:
        """Write the row into the recipient, unsaved. False when it has been or is being called."""
        is_incomplete = recipient.reason == MISSING_VARIABLE
        is_waiting = recipient.status in Recipient.Status.waiting()
        if not is_waiting and not (recipient.status == Recipient.Status.SKIPPED and is_incomplete):
            return False
        extras = extras_of(verdict, self._alignment, self._erased)
        recipient.values = self._alignment.arrange(verdict.cells)
        recipient.other_numbers = extras.other_numbers
        recipient.priority = extras.priority
        recipient.timezone = extras.timezone
        # A number that stands in the batch for somebody else is not rung twice.
        is_other = recipient.phone_number != verdict.phone_number
        is_other = is_other and verdict.phone_number not in self._erased
        if is_other and self._stored.add([verdict.phone_number])[0]:
            recipient.phone_number = verdict.phone_number
            recipient.number_position = 0
        if self._lacks_variable(recipient.values):
            SKIP_INCOMPLETE.apply(recipient, reason=MISSING_VARIABLE, due_at=None)
        elif is_incomplete:
            RESTORE_COMPLETE.apply(recipient, reason=None, due_at=database_now())
        return True

    def _lacks_variable(self, cells: Sequence[Any]) -> bool:
        return any(at is None or not str(cells[at] or "").strip() for at in self._required)
