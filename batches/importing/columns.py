"""Which column is the phone number, and what the others are called in an agent's prompt."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from batches.domain.spreadsheets import REJECTION_COLUMNS, RESULT_COLUMNS
from batches.importing.phone_columns import (
    PHONE_LIKE,
    PhoneColumns,
    guess_phone_columns,
    normalize_name,
)
from batches.importing.source import MAX_COLUMNS, UnreadableUpload, require_column_limit
from batches.models.column_roles import (
    ALTERNATIVE,
    EXTERNAL_ID,
    POSTAL_CODE,
    PRIORITY,
    ROLES,
    SINGLE_ROLES,
    TIMEZONE,
    ZONE_ROLES,
)

PHONE = "phone_number"
MAX_LISTED_NAMES = 10
# How columns with a role are named. Address books put the kind of address before a postal code.
NAMES_OF_ROLES = {
    EXTERNAL_ID: re.compile("external id"),
    TIMEZONE: re.compile("time ?zone|tz"),
    POSTAL_CODE: re.compile("zip|.*(post(al)? ?code|zip ?code)"),
}
MAX_COLUMN_NAME_CHARACTERS = 60


class SavedColumnMapping(NamedTuple):
    """A mapping that was saved for lists with exactly these columns."""

    id: UUID
    column_mapping: dict[str, str | None]
    default_country: str | None


@dataclass(frozen=True, slots=True)
class Preview:
    """The beginning of a list: what its columns hold helps to find the phone column."""

    rows: Sequence[Sequence[Any]] = ()
    country: str | None = None
    hidden: Collection[int] = ()
    """Positions of the columns that the workbook hides."""


NO_PREVIEW = Preview()


@dataclass(frozen=True, slots=True)
class Columns:
    """A list's columns as uploaded, and the variable of each.

    `variables` has None for the phone column and for ignored ones. `alternatives` are the positions
    of columns with further numbers of the same people. `is_correction` marks a rejected.csv that
    was corrected and uploaded again: its last three columns say which rows it corrects, and `names`
    leaves them out. `saved_mapping` is the saved mapping that was used.
    """

    names: list[str]
    variables: list[str | None]
    phone_index: int
    is_correction: bool = False
    saved_mapping: SavedColumnMapping | None = None
    alternatives: tuple[int, ...] = ()
    external_id_index: int | None = None
    priority_index: int | None = None
    timezone_index: int | None = None
    postal_code_index: int | None = None

    @property
    def roles(self) -> dict[str, str]:
        """The columns that are more than a variable, without the phone column."""
        roles = {self.names[at]: ALTERNATIVE for at in self.alternatives}
        single = (
            (self.external_id_index, EXTERNAL_ID),
            (self.priority_index, PRIORITY),
            (self.timezone_index, TIMEZONE),
            (self.postal_code_index, POSTAL_CODE),
        )
        return roles | {self.names[at]: role for at, role in single if at is not None}

    @property
    def mapping(self) -> dict[str, str | None]:
        """The columns in the form of `column_mapping`, as `read_columns` takes it."""
        mapping: dict[str, str | None] = dict(zip(self.names, self.variables, strict=True))
        return without_role_words(mapping) | self.roles | {self.names[self.phone_index]: PHONE}


def without_role_words(mapping: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return a mapping without variables that are named like a role: a mapping would mean that."""
    return {column: meaning for column, meaning in mapping.items() if meaning not in ROLES}


def read_columns(
    header: Sequence[Any],
    mapping: Mapping[str, str | None] | None = None,
    agent_variables: Collection[str] = (),
    saved_mappings: Iterable[SavedColumnMapping] = (),
    preview: Preview = NO_PREVIEW,
) -> Columns:
    """Interpret a header row.

    `mapping` is the contract's `column_mapping`: `{"<uploaded column>": "phone_number" | a role |
    "<variable>" | null}`, where null ignores the column; the roles are `ROLES`. Without a mapping,
    the first of `saved_mappings` that names exactly the list's columns, in any order, applies.

    Columns that no mapping names are guessed. The phone column is found by its name and by what
    `preview` holds in it, others as `_guess_variables` says.

    Raises UnreadableUpload when there is no phone column or the mapping does not fit the file.
    """
    names = _listed_names(header)
    # An empty mapping is a mapping: it says that no saved one is wanted.
    saved = _find_saved_mapping(names, saved_mappings) if mapping is None else None
    mapping = mapping or (saved.column_mapping if saved else {})
    _check_mapping(mapping, names)

    phones = _find_phone_columns(names, mapping, preview)
    guesses = _guess_variables(names, agent_variables)
    variables = [
        None if index == phones.found else _variable_of(name, mapping, guesses, agent_variables)
        for index, name in enumerate(names)
    ]
    _check_variables(names, variables)
    return Columns(
        names,
        variables,
        phones.found,
        is_correction=_is_correction(unique_column_names(header)),
        saved_mapping=saved,
        alternatives=phones.alternatives,
        **{f"{role}_index": _find_role(names, mapping, role) for role in SINGLE_ROLES},
    )


def _variable_of(
    name: str,
    mapping: Mapping[str, str | None],
    guesses: Mapping[str, str],
    agent_variables: Collection[str],
) -> str | None:
    """Return the variable of a column. One with a role is a variable where the agent wants it."""
    meaning = mapping.get(name, guesses[name])
    if meaning in ROLES and name in mapping:
        # Prompts may use a time zone or postal code by the name of the role, too.
        unwanted = meaning if meaning in ZONE_ROLES else None
        return guesses[name] if guesses[name] in agent_variables else unwanted
    return meaning


def _find_role(names: Sequence[str], mapping: Mapping[str, str | None], role: str) -> int | None:
    """Return the column that the mapping gives a role, else the first that is named so."""
    for index, name in enumerate(names):
        if mapping.get(name) == role:
            return index
    pattern = NAMES_OF_ROLES.get(role)
    if pattern is None:
        return None
    free = (index for index, name in enumerate(names) if name not in mapping)
    return next((at for at in free if pattern.fullmatch(normalize_name(names[at]))), None)


def extend_header(header: Sequence[Any], width: int) -> list[Any]:
    """Name the columns beyond a header's last name by their position, up to `width` columns.

    A rejected.csv is not extended: cells beyond its three columns were too many in the first
    upload, and still are.
    """
    names = unique_column_names(header)
    if _is_correction(names):
        return list(header)
    unnamed = range(len(names) + 1, min(width, MAX_COLUMNS) + 1)
    return [*header[: len(names)], *map(_positional_name, unnamed)]


def unique_column_names(header: Sequence[Any]) -> list[str]:
    """Return a name for each column up to the last one named.

    A column without a name gets one from its position; repeated names are numbered.

    Raises UnreadableUpload for more columns than a list may have.
    """
    # Spreadsheets save empty columns at the end.
    cells = [str(cell).strip() for cell in header]
    while cells and not cells[-1]:
        cells.pop()
    require_column_limit(len(_without_added(cells)))

    names: dict[str, None] = {}
    counts: Counter[str] = Counter()
    for position, cell in enumerate(cells, start=1):
        wanted = cell or _positional_name(position)
        name = wanted
        # Counting goes on where the last repeat ended: a header of one name costs what it weighs.
        while name in names:
            counts[wanted] += 1
            name = f"{wanted} {counts[wanted] + 1}"
        names[name] = None
    return list(names)


def _positional_name(position: int) -> str:
    return f"column {position}"


def _listed_names(header: Sequence[Any]) -> list[str]:
    """Return the names of the list's own columns, without those that our exports add."""
    return _without_added(unique_column_names(header))


def _without_added(names: list[str]) -> list[str]:
    for added in (REJECTION_COLUMNS, RESULT_COLUMNS):
        if _ends_in(names, added):
            names = names[: -len(added)]
    return names


def count_result_columns(header: Sequence[Any]) -> int:
    """Return how many columns at a header's end are those of results.csv: all of them or none."""
    return len(RESULT_COLUMNS) if _ends_in(unique_column_names(header), RESULT_COLUMNS) else 0


def _is_correction(names: Sequence[str]) -> bool:
    return _ends_in(names, REJECTION_COLUMNS)


def _ends_in(names: Sequence[str], added: Sequence[str]) -> bool:
    width = len(added)
    return len(names) > width and tuple(names[-width:]) == tuple(added)


def _find_saved_mapping(
    names: list[str], saved_mappings: Iterable[SavedColumnMapping]
) -> SavedColumnMapping | None:
    # Remarks beside the list, in a column without a name, do not make it a different list.
    named = {name for at, name in enumerate(names, start=1) if name != _positional_name(at)}
    wanted = (set(names), named)
    return next((saved for saved in saved_mappings if saved.column_mapping.keys() in wanted), None)


def _check_mapping(mapping: Mapping[str, str | None], names: list[str]) -> None:
    unknown = [column for column in mapping if column not in names]
    if unknown:
        raise UnreadableUpload(
            f"column_mapping names columns the file does not have: {join_names(unknown)}. "
            f"It has {join_names(names)}."
        )
    phones = [column for column, meaning in mapping.items() if meaning == PHONE]
    if len(phones) > 1:
        raise UnreadableUpload(
            f"column_mapping names more than one phone column: {join_names(phones)}. "
            "Keep one of them."
        )
    for role in SINGLE_ROLES:
        columns = [column for column, meaning in mapping.items() if meaning == role]
        if len(columns) > 1:
            raise UnreadableUpload(
                f"column_mapping names more than one column as {role}: {join_names(columns)}. "
                "Keep one of them."
            )


class _FoundPhones(NamedTuple):
    found: int
    alternatives: tuple[int, ...]


def _find_phone_columns(
    names: list[str], mapping: Mapping[str, str | None], preview: Preview
) -> _FoundPhones:
    """Return the phone column, named by the mapping or else guessed.

    Raises UnreadableUpload when there is none.
    """
    # Who names the phone column has seen the others, too.
    named = tuple(at for at, name in enumerate(names) if mapping.get(name) == ALTERNATIVE)
    for index, name in enumerate(names):
        if mapping.get(name) == PHONE:
            return _FoundPhones(index, named)

    # A column that the mapping names is not guessed, even if it looks like the phone column.
    free = [index for index, name in enumerate(names) if name not in mapping]
    is_header = not any(PHONE_LIKE.match(name) for name in names)
    guess = guess_phone_columns(
        names,
        free=free,
        # Without a header, numbers would be found, and the first of them lost.
        sample=preview.rows if is_header else (),
        country=preview.country,
        hidden=preview.hidden,
    )
    if guess.found is None:
        raise UnreadableUpload(_why_no_phone_column(names, guess, is_header=is_header))
    return _FoundPhones(guess.found, named or guess.alternatives)


def _why_no_phone_column(names: list[str], guess: PhoneColumns, *, is_header: bool) -> str:
    # The most frequent mistake deserves a sentence of its own.
    if not is_header:
        return (
            "The file has no phone column: its first row holds a number instead of column names. "
            "Put a row with names such as phone above it."
        )
    if len(guess.doubtful) == 1:
        name = join_names([names[guess.doubtful[0]]])
        return (
            f"The file has no phone column: {name} looks like phone numbers without country code; "
            "name it phone and choose a default country."
        )
    if guess.doubtful:
        similar = join_names([names[index] for index in guess.doubtful])
        return (
            f"The file has more than one column that looks like phone numbers: {similar}; "
            "name one of them phone, or give column_mapping."
        )
    return (
        f"The file has no phone column: found the columns {join_names(names)}; "
        "name one of them phone, or give column_mapping."
    )


def _guess_variables(names: Sequence[str], agent_variables: Collection[str]) -> dict[str, str]:
    """Return a variable for each column: that of its own name, or the agent's that differs from it
    only in case and separators, as "First Name" and first_name. Each is used at most once.
    """
    unmatched = [variable for variable in agent_variables if variable not in names]
    similar = {normalize_name(variable): variable for variable in unmatched}
    return {
        name: name if name in agent_variables else similar.pop(normalize_name(name), name)
        for name in names
    }


def _check_variables(names: list[str], variables: list[str | None]) -> None:
    used = [variable for variable in variables if variable is not None]
    repeated = next((variable for variable in used if used.count(variable) > 1), None)
    if repeated is not None:
        columns = [
            name for name, variable in zip(names, variables, strict=True) if variable == repeated
        ]
        raise UnreadableUpload(
            f"The columns {join_names(columns)} would both be the variable {repeated}: "
            "map one of them elsewhere."
        )


def join_names(names: Sequence[str]) -> str:
    """Return the names for a message: the first ten, each cut to 60 characters."""
    short = [
        name
        if len(name) <= MAX_COLUMN_NAME_CHARACTERS
        else name[: MAX_COLUMN_NAME_CHARACTERS - 1] + "…"
        for name in names[:MAX_LISTED_NAMES]
    ]
    joined = ", ".join(short)
    hidden = len(names) - len(short)
    return f"{joined} and {hidden} more" if hidden else joined
