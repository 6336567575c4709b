"""Lays the columns of a list over those its batch already has, so that appended lists may order
theirs as they like.
"""

from typing import Any

from batches.importing.columns import Columns, read_columns
from batches.importing.source import MAX_COLUMNS, UnreadableUpload
from batches.models import Batch


class ColumnAlignment:
    """A batch's columns once the list's own are among them, and how a row of the list is laid out
    in them.
    """

    def __init__(self, batch: Batch, listed: Columns) -> None:
        self.names: list[str] = list(batch.columns) or list(listed.names)
        self.variables: list[str | None] = (
            list(batch.variable_names) if batch.columns else list(listed.variables)
        )
        self.is_correction = listed.is_correction
        self._places = [self._find_place(batch, listed, at) for at in range(len(listed.names))]
        self._is_identical = self._places == list(range(len(self.names)))
        if len(self.names) > MAX_COLUMNS:
            raise UnreadableUpload(
                f"Together with those the batch has, the file's columns are {len(self.names)}, "
                f"more than the {MAX_COLUMNS} allowed: remove some."
            )

    def position_of(self, variable: str) -> int | None:
        """The cell that holds a variable; None when no column does."""
        return self.variables.index(variable) if variable in self.variables else None

    def arrange(self, cells: list[Any]) -> list[Any]:
        """The list's cells under the batch's columns; cells beyond the header stay at the end."""
        if self._is_identical:
            return cells
        arranged: list[Any] = [""] * len(self.names)
        for place, cell in zip(self._places, cells, strict=False):
            arranged[place] = cell
        return arranged + cells[len(self._places) :]

    def _find_place(self, batch: Batch, listed: Columns, at: int) -> int:
        """Where a column goes: phone to phone, else to the column of its name, else to that of its
        variable.
        """
        name, variable = listed.names[at], listed.variables[at]
        if not batch.columns or batch.columns == listed.names:
            return at
        if at == listed.phone_index:
            return read_columns(batch.columns, batch.column_mapping).phone_index
        if name in self.names:
            return self.names.index(name)
        if variable is not None and variable in self.variables:
            return self.variables.index(variable)
        self.names.append(name)
        self.variables.append(variable)
        return len(self.names) - 1
