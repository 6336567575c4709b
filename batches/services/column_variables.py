"""A list's columns read anew, for another agent or by another mapping, and whom that leaves out."""

from collections.abc import Mapping, Sequence
from typing import Any

from batches.importing.chunk_writer import MISSING_VARIABLE, is_blank, required_variables
from batches.importing.columns import read_columns
from batches.importing.source import UnreadableUpload
from batches.models import Batch, Recipient
from voiceops.core.clock import database_now
from voiceops.core.errors import Invalid
from voiceops.core.statement_timeouts import disable_statement_timeout

OTHER_PHONE = "The list has been read with another phone column: upload it again as a new batch"
CHUNK = 5_000
PENDING, SKIPPED = Recipient.Status.PENDING, Recipient.Status.SKIPPED


def rename_variables(batch: Batch, *, mapping_before: Mapping[str, str | None] | None) -> None:
    """Set `variable_names` anew, without saving. Raises Invalid for a mapping that does not fit the
    list's columns.
    """
    if not batch.columns:
        return
    known = batch.agent_version.variable_names
    try:
        columns = read_columns(batch.columns, batch.column_mapping, known)
    except UnreadableUpload as error:
        raise Invalid(str(error)) from error
    if columns.phone_index != read_columns(batch.columns, mapping_before).phone_index:
        raise Invalid(OTHER_PHONE)
    batch.variable_names = columns.variables


def validate_variables(batch: Batch) -> None:
    """Skip who lacks a variable the agent requires, and nobody else: as if the list were read now.

    Inside the caller's transaction, which holds the batch's row.
    """
    disable_statement_timeout()
    skipped = batch.recipients.filter(status=SKIPPED, reason=MISSING_VARIABLE)
    skipped.update(status=PENDING, reason=None, due_at=database_now())
    pending, last = batch.recipients.filter(status=PENDING), -1
    required, names = required_variables(batch), batch.variable_names
    places = [names.index(name) if name in names else len(names) for name in required]
    rows = pending.order_by("row_number").values_list("row_number", "pk", "values")
    while places and (chunk := list(rows.filter(row_number__gt=last)[:CHUNK])):
        lacking = [pk for _, pk, cells in chunk if _lacks(cells, places)]
        pending.filter(pk__in=lacking).update(status=SKIPPED, reason=MISSING_VARIABLE, due_at=None)
        last = chunk[-1][0]


def _lacks(cells: Sequence[Any], places: Sequence[int]) -> bool:
    return any(at >= len(cells) or is_blank(cells[at]) for at in places)
