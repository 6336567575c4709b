"""What only some lists say about a recipient: an external id, further numbers, and so on."""

from typing import Any

from accounts.services.erased_numbers import ErasedNumbers
from batches.dialing.number_zones import place_of
from batches.importing.bulk_insert import NO_EXTRAS, Extras
from batches.importing.column_alignment import ColumnAlignment
from batches.importing.columns import Columns
from batches.importing.row_validation import Accepted
from batches.models.recipients import MAX_EXTERNAL_ID_CHARACTERS
from voiceops.core.postal_zones import find_postal_zones
from voiceops.core.time_zones import find_zone

PLUS_ONE = "+1"
MAX_ROW_PRIORITY = 1_000_000


def extras_of(verdict: Accepted, alignment: ColumnAlignment, erased: ErasedNumbers) -> Extras:
    """Return the extras of a row, whose cells are still in the order of the list."""
    extras = Extras(
        external_id=external_id_of(verdict, alignment),
        other_numbers=" ".join(erased.leave_out(verdict.others)) or None,
        priority=_priority(verdict.cells, alignment.priority_index),
        timezone=zones_of_row(verdict, alignment),
    )
    return NO_EXTRAS if extras == NO_EXTRAS else extras


def external_id_of(verdict: Accepted, alignment: ColumnAlignment) -> str | None:
    """Return the id that the uploader's system has for a row's person; None where it has none."""
    index = alignment.external_id_index
    cell = None if index is None else verdict.cells[index]
    return None if cell is None else str(cell).strip()[:MAX_EXTERNAL_ID_CHARACTERS] or None


def zones_of_row(verdict: Accepted, columns: Columns | ColumnAlignment) -> str | None:
    """Return the time zone that a row gives its recipient: by its time zone, else its postal code.

    A postal code at a border may have several, with blanks between them. None where no cell names
    one.
    """
    index = columns.timezone_index
    cell = None if index is None else verdict.cells[index]
    if isinstance(cell, str):
        is_north_american = verdict.phone_number.startswith(PLUS_ONE)
        if zone := find_zone(cell, is_north_american=is_north_american):
            return zone
    index = columns.postal_code_index
    cell = None if index is None else verdict.cells[index]
    # JSON may have it as a number.
    if not isinstance(cell, str | int):
        return None
    return find_postal_zones(str(cell), place_of(verdict.phone_number).country)


def _priority(cells: list[Any], index: int | None) -> int:
    """Return the row's priority; 0 where the cell is empty or holds no whole number."""
    if index is None:
        return 0
    text = str(cells[index]).strip()
    try:
        priority = int(text)
    except ValueError:
        return 0
    return max(-MAX_ROW_PRIORITY, min(priority, MAX_ROW_PRIORITY))
