"""Read an imported list's columns again, for another agent or mapping, and skip who lacks one."""

from collections.abc import Mapping, Sequence
from typing import Any

from batches.domain.recipient_transitions import RESTORE_COMPLETE, SKIP_INCOMPLETE
from batches.importing.chunk_writer import is_blank, required_variables
from batches.importing.columns import PHONE, read_columns
from batches.importing.skip_reasons import MISSING_VARIABLE
from batches.importing.source import UnreadableUpload
from batches.models import Batch, Recipient
from voiceops.core.clock import database_now
from voiceops.core.errors import Invalid
from voiceops.core.statement_timeouts import disable_statement_timeout

OTHER_PHONE = "The list has been read with another phone column: upload it again as a new batch"
VALIDATION_CHUNK_ROWS = 5_000


def rename_variables(batch: Batch, *, mapping_before: Mapping[str, str | None] | None) -> None:
    """Set `variable_names` from the batch's columns, agent and mapping, without saving.

    Raises Invalid for a mapping that does not fit the columns or names another phone column.
    """
    if not batch.columns:
        return
    known = batch.agent_version.variable_names
    phone = batch.phone_column_under(mapping_before)
    mapping = dict(batch.column_mapping or {})
    if phone is not None and PHONE not in mapping.values():
        # The phone column may have been found by its content, which is not read again.
        mapping.setdefault(phone, PHONE)
    try:
        columns = read_columns(batch.columns, mapping, known)
    except UnreadableUpload as error:
        raise Invalid(str(error)) from error
    if columns.names[columns.phone_index] != phone:
        raise Invalid(OTHER_PHONE)
    batch.variable_names = columns.variables


def validate_variables(batch: Batch) -> None:
    """Skip pending recipients without a variable that the agent requires, and restore the others.

    The result is as if the list were imported now. Inside the caller's transaction, which has
    locked the batch.
    """
    disable_statement_timeout()
    skipped = batch.recipients.filter(reason=MISSING_VARIABLE)
    RESTORE_COMPLETE.move_all(skipped, reason=None, due_at=database_now(), unreported_at=None)

    names = batch.variable_names
    required = required_variables(batch)
    # A position behind the last column means that no column has the variable.
    positions = [names.index(name) if name in names else len(names) for name in required]
    if positions:
        _skip_incomplete(batch, positions)


def _skip_incomplete(batch: Batch, positions: Sequence[int]) -> None:
    """Skip the pending recipients that lack a value at one of the positions."""
    pending = batch.recipients.filter(status=Recipient.Status.PENDING)
    rows = pending.order_by("row_number").values_list("row_number", "pk", "values")
    last_row = -1
    while chunk := list(rows.filter(row_number__gt=last_row)[:VALIDATION_CHUNK_ROWS]):
        incomplete = [pk for _, pk, cells in chunk if _lacks_any(cells, positions)]
        SKIP_INCOMPLETE.move_all(
            batch.recipients.filter(pk__in=incomplete),
            reason=MISSING_VARIABLE,
            due_at=None,
            unreported_at=database_now(),
        )
        last_row = chunk[-1][0]


def _lacks_any(cells: Sequence[Any], positions: Sequence[int]) -> bool:
    return any(at >= len(cells) or is_blank(cells[at]) for at in positions)
