"""Which numbers a workspace must not call: those on its suppression list and those it erased."""

from collections.abc import Collection, Iterable
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
    # Workspaces times numbers may be more than the targets: that is filtered below.
    workspaces = {workspace_id for workspace_id, _ in targets}
    numbers = list({number for _, number in targets})
    active = Suppression.unscoped.all().active_at(database_now())
    listed: set[Target] = set()
    for chunk in chunked(numbers):
        rows = active.filter(workspace__in=workspaces, phone_number__in=chunk)
        listed.update(rows.values_list("workspace_id", "phone_number"))

    # Of erased numbers only keyed hashes are left, which no query can match.
    erased = _erased_numbers(workspaces)
    return {
        (workspace_id, number)
        for workspace_id, number in targets
        if (workspace_id, number) in listed or number in erased.get(workspace_id, ())
    }


def _erased_numbers(workspaces: Collection[UUID]) -> dict[UUID, ErasedNumbers]:
    """Return the erased numbers of each workspace that has any, in one query."""
    rows: dict[UUID, list[ErasedNumber]] = {}
    for row in ErasedNumber.unscoped.filter(workspace__in=workspaces).order_by("pk"):
        rows.setdefault(row.workspace_id, []).append(row)
    return {workspace_id: ErasedNumbers(found) for workspace_id, found in rows.items()}
