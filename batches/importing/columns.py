"""Which column is the phone number, and what the others are called in an agent's prompt."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from batches.importing.source import MAX_COLUMNS, UnreadableUpload

PHONE = "phone_number"
PHONE_NAMES = (
    "phone",
    "phone_number",
    "phone number",
    "number",
    "contact_number",
    "to",
    "to_number",
    "mobile",
    "msisdn",
)
REFUSAL_COLUMNS = ("row_number", "error_code", "error_message")
"""The columns rejected.csv has behind the uploaded ones."""
_PHONE_LIKE = re.compile(r"[+(]?\d[\d\s().-]{6,}\Z")


class SavedColumnMapping(NamedTuple):
    """A mapping that was saved for lists with exactly these columns."""

    id: UUID
    column_mapping: dict[str, str | None]
    default_country: str | None


@dataclass(frozen=True, slots=True)
class Columns:
    """A list's columns as uploaded, and for each its variable; None for the phone column and for
    ignored ones.

    `mends`: the list is a rejected.csv come back, whose last three columns say which rows it mends;
    `names` leaves those out. `remembered`: the saved mapping that was used, because nobody named
    another.
    """

    names: list[str]
    variables: list[str | None]
    phone_index: int
    is_correction: bool = False
    saved_mapping: SavedColumnMapping | None = None

    @property
    def mapping(self) -> dict[str, str | None]:
        """As `column_mapping`: uploaded column -> "phone_number", a variable's name, or null for
        ignored.
        """
        found: dict[str, str | None] = dict(zip(self.names, self.variables, strict=True))
        return found | {self.names[self.phone_index]: PHONE}


def read_columns(
    header: Sequence[Any],
    mapping: Mapping[str, str | None] | None = None,
    agent_variables: Collection[str] = (),
    saved_mappings: Iterable[SavedColumnMapping] = (),
) -> Columns:
    """Understand a header row.

    `mapping` is the contract's `column_mapping`: `{"<uploaded column>": "phone_number" |
    "<variable>" | null}`; a null ignores the column, columns it does not name are guessed: the
    phone column by its usual names (the first of `PHONE_NAMES` that is there), every other column
    is the variable of its own name, or the agent's variable (`known`) that differs from it only in
    case and separators ("First Name" is first_name). Where `mapping` is None, the first of
    `remembered` that names just the list's columns, in whatever order, is it. Raises
    UnreadableUpload when there is no phone column, or the mapping does not fit the file.
    """
    names = unique_column_names(header)
    mends = _is_correction(names)
    if mends:
        names = names[:-3]
    if len(names) > MAX_COLUMNS:
        raise UnreadableUpload(
            f"The file has {len(names)} columns, more than the {MAX_COLUMNS} allowed: remove some."
        )
    saved = _find_saved_mapping(names, saved_mappings) if mapping is None else None
    mapping = mapping or (saved.column_mapping if saved else {})
    _check_mapping(mapping, names)
    phone = _find_phone_column(names, mapping)
    guesses = _guess_variables(names, agent_variables)
    variables = [
        None if at == phone else mapping.get(name, guesses[name]) for at, name in enumerate(names)
    ]
    _check_variables(names, variables)
    return Columns(names, variables, phone, mends, saved)


def extend_header(header: Sequence[Any], width: int) -> list[Any]:
    """A header that is narrower than the list names the columns beyond its last name by their
    place.

    Not that of a rejected.csv: what stands beyond its three columns were too many cells already,
    and still are.
    """
    names = unique_column_names(header)
    if _is_correction(names):
        return list(header)
    beyond = range(len(names) + 1, min(width, MAX_COLUMNS) + 1)
    return [*header[: len(names)], *map(_positional_name, beyond)]


def unique_column_names(header: Sequence[Any]) -> list[str]:
    """Unique names: a column without one is called by its place, a second one of the same name is
    numbered.
    """
    cells = [str(cell).strip() for cell in header]
    while cells and not cells[-1]:
        cells.pop()
    names: list[str] = []
    for at, cell in enumerate(cells, start=1):
        name, again = cell or _positional_name(at), 1
        while name in names:
            again += 1
            name = f"{cell or _positional_name(at)} {again}"
        names.append(name)
    return names


def _positional_name(at: int) -> str:
    return f"column {at}"


def _is_correction(names: Sequence[str]) -> bool:
    return len(names) > len(REFUSAL_COLUMNS) and tuple(names[-3:]) == REFUSAL_COLUMNS


def _find_saved_mapping(
    names: list[str], remembered: Iterable[SavedColumnMapping]
) -> SavedColumnMapping | None:
    """A note beside the list, in a column nobody named, does not make it another list."""
    named = {name for at, name in enumerate(names, start=1) if name != _positional_name(at)}
    return next(
        (saved for saved in remembered if saved.column_mapping.keys() in (set(names), named)), None
    )


def _check_mapping(mapping: Mapping[str, str | None], names: list[str]) -> None:
    if unknown := [column for column in mapping if column not in names]:
        raise UnreadableUpload(
            f"column_mapping names columns the file does not have: {_join_names(unknown)}. It has {_join_names(names)}."
        )
    if len(phones := [column for column, meaning in mapping.items() if meaning == PHONE]) > 1:
        raise UnreadableUpload(
            f"column_mapping names more than one phone column: {_join_names(phones)}. Keep one of them."
        )


def _find_phone_column(names: list[str], mapping: Mapping[str, str | None]) -> int:
    for at, name in enumerate(names):
        if mapping.get(name) == PHONE:
            return at
    free = [_normalize(name) if name not in mapping else "" for name in names]
    for wanted in PHONE_NAMES:
        if _normalize(wanted) in free:
            return free.index(_normalize(wanted))
    if any(_PHONE_LIKE.match(name) for name in names):
        raise UnreadableUpload(
            "The file has no phone column: its first row holds a number instead of column names. "
            "Put a row with names such as phone above it."
        )
    raise UnreadableUpload(
        f"The file has no phone column: found the columns {_join_names(names)}; name one of them phone, "
        "or give column_mapping."
    )


def _guess_variables(names: Sequence[str], known: Collection[str]) -> dict[str, str]:
    taken = set(names)
    alike = {_normalize(variable): variable for variable in known if variable not in taken}
    return {name: name if name in known else alike.pop(_normalize(name), name) for name in names}


def _normalize(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.strip().lower()))


def _check_variables(names: list[str], variables: list[str | None]) -> None:
    meant = [variable for variable in variables if variable is not None]
    if twice := next((variable for variable in meant if meant.count(variable) > 1), None):
        columns = [
            name for name, variable in zip(names, variables, strict=True) if variable == twice
        ]
        raise UnreadableUpload(
            f"The columns {_join_names(columns)} would both be the variable {twice}: map one of them elsewhere."
        )


def _join_names(names: Sequence[str]) -> str:
    shown = ", ".join(name if len(name) <= 60 else name[:59] + "…" for name in names[:10])
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown
