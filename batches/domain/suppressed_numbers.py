"""Which numbers a workspace must not call: those on its suppression list and those it erased."""

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import CharField, DateTimeField, UUIDField

from accounts.models import ErasedNumber
from accounts.services.erased_numbers import ErasedNumbers
from batches.models import Suppression
from voiceops.core.clock import database_now
from voiceops.db.chunks import chunked
from voiceops.db.compiled_query import CompiledQuery

Target = tuple[UUID, str]
"""A workspace's id, and a number (E.164) that it might call."""


SUPPRESSIONS_OF_NUMBER = CompiledQuery(
    lambda workspace_id, number, at: (
        Suppression.unscoped.all().active_at(at).filter(workspace=workspace_id, phone_number=number)
    ),
    workspace_id=UUIDField(),
    number=CharField(),
    at=DateTimeField(),
)
ERASED_OF_WORKSPACE = CompiledQuery(
    lambda workspace_id: ErasedNumber.unscoped.filter(workspace=workspace_id).order_by("pk"),
    workspace_id=UUIDField(),
)


def is_suppressed(workspace_id: UUID, number: str) -> bool:
    """Return whether the workspace must not call the number (E.164) now, as `find_suppressed` does.

    Every call that is ordered asks it.
    """
    if SUPPRESSIONS_OF_NUMBER.rows(workspace_id=workspace_id, number=number, at=database_now()):
        return True
    return number in ErasedNumbers(ERASED_OF_WORKSPACE.rows(workspace_id=workspace_id))


def find_suppressed(workspace_id: UUID, numbers: Iterable[str]) -> set[str]:
    """Return those of the numbers (E.164) that the workspace must not call now."""
    targets = [(workspace_id, number) for number in numbers]
    return {number for _, number in find_suppressed_targets(targets)}


def find_suppressed_targets(targets: Collection[Target]) -> set[Target]:
    """Return those of the targets that must not be called now."""
    return set(find_expiries(targets))


def find_expiries(targets: Collection[Target]) -> dict[Target, datetime | None]:
    """Return the targets that must not be called now, each with until when; None is for ever."""
    # Workspaces times numbers may be more than the targets: that is filtered below.
    workspaces = {workspace_id for workspace_id, _ in targets}
    numbers = list({number for _, number in targets})
    active = Suppression.unscoped.all().active_at(database_now())
    listed: dict[Target, datetime | None] = {}
    for chunk in chunked(numbers):
        rows = active.filter(workspace__in=workspaces, phone_number__in=chunk)
        columns = rows.values_list("workspace_id", "phone_number", "expires_at")
        listed |= {(workspace_id, number): until for workspace_id, number, until in columns}

    # Of erased numbers only keyed hashes are left, which no query can match.
    erased = _erased_numbers(workspaces)
    found: dict[Target, datetime | None] = {}
    for target in targets:
        workspace_id, number = target
        if number in erased.get(workspace_id, ()):
            found[target] = None
        elif target in listed:
            found[target] = listed[target]
    return found


def _erased_numbers(workspaces: Collection[UUID]) -> dict[UUID, ErasedNumbers]:
    """Return the erased numbers of each workspace that has any, in one query."""
    rows: dict[UUID, list[ErasedNumber]] = {}
    for row in ErasedNumber.unscoped.filter(workspace__in=workspaces).order_by("pk"):
        rows.setdefault(row.workspace_id, []).append(row)
    return {workspace_id: ErasedNumbers(found) for workspace_id, found in rows.items()}
