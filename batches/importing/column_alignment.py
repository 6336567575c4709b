"""Aligns a list's columns with those its batch already has.

So an appended list may have its columns in any order, and new ones.
"""

from typing import Any

from batches.importing.columns import Columns
from batches.importing.source import MAX_COLUMNS, UnreadableUpload
from batches.models import Batch
from batches.models.column_roles import SINGLE_ROLES


class ColumnAlignment:
    """A batch's columns, extended by a list's new ones, and where the list's cells belong.

    Raises UnreadableUpload when these are too many columns.
    """

    def __init__(self, batch: Batch, listed: Columns) -> None:
        self.is_correction = listed.is_correction
        # Of the list, whose cells are read before they are arranged.
        self.external_id_index = listed.external_id_index
        self.priority_index = listed.priority_index
        self.timezone_index = listed.timezone_index
        self.postal_code_index = listed.postal_code_index
        self.names: list[str] = list(batch.columns) or list(listed.names)
        self.variables: list[str | None] = list(
            batch.variable_names if batch.columns else listed.variables
        )
        self._places = [self._find_place(batch, listed, at) for at in range(len(listed.names))]
        # Nearly all lists: then rows are stored as they are.
        self._is_identical = self._places == list(range(len(self.names)))
        self.roles = self._merge_roles(batch, listed)
        if len(self.names) > MAX_COLUMNS:
            raise UnreadableUpload(
                f"Together with those of the batch, the file's columns are {len(self.names)}, "
                f"more than the {MAX_COLUMNS} allowed: remove some."
            )

    def _merge_roles(self, batch: Batch, listed: Columns) -> dict[str, str]:
        """Return the roles of the batch's columns, and of those that the list adds."""
        roles = zip(self._places, listed.names, strict=True)
        added = {self.names[at]: listed.roles.get(name) for at, name in roles}
        return {**batch.column_roles, **{name: role for name, role in added.items() if role}}

    def position_of(self, variable: str) -> int | None:
        """Return the index of the variable's cell; None when no column holds it."""
        return self.variables.index(variable) if variable in self.variables else None

    def arrange(self, cells: list[Any]) -> list[Any]:
        """Return the list's cells in the batch's order; cells beyond the header stay at the end."""
        if self._is_identical:
            return cells
        arranged: list[Any] = [""] * len(self.names)
        for place, cell in zip(self._places, cells, strict=False):
            arranged[place] = cell
        return arranged + cells[len(self._places) :]

    def _find_place(self, batch: Batch, listed: Columns, index: int) -> int:
        """Return the batch's column for one of the list's; a new one is added.

        The phone column goes to the phone column, one with a role to that with the same role,
        others to the column of their name, else to that of their variable.
        """
        name = listed.names[index]
        variable = listed.variables[index]
        if not batch.columns or batch.columns == listed.names:
            return index
        if index == listed.phone_index:
            phone = batch.phone_column_under(batch.column_mapping)
            assert phone is not None  # a batch with columns has one
            return self.names.index(phone)
        role = listed.roles.get(name)
        if role in SINGLE_ROLES and role in batch.column_roles.values():
            by_role = {role: column for column, role in batch.column_roles.items()}
            return self.names.index(by_role[role])
        # The same name is the same column, even if the mapping has changed since.
        if name in self.names:
            return self.names.index(name)
        if variable is not None and variable in self.variables:
            return self.variables.index(variable)
        self.names.append(name)
        self.variables.append(variable)
        return len(self.names) - 1
