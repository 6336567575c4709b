"""Which of some thousand values stand in a table already."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.models import ErasedNumber
from accounts.services.erased_numbers import Erased
from batches.models import Suppression
from voiceops.core.clock import database_now

_AT_ONCE = 5_000  # SQLite takes no more than 32 766 parameters


def active_suppressions(workspace_id: UUID) -> "QuerySet[Suppression]":
    alive = Q(expires_at=None) | Q(expires_at__gt=database_now())
    return Suppression.unscoped.filter(alive, workspace_id=workspace_id)


def find_suppressed(workspace_id: UUID, numbers: Sequence[str]) -> set[str]:
    """Those that must not be called."""
    erased = Erased(ErasedNumber.unscoped.filter(workspace=workspace_id).order_by("pk"))
    listed = set(find_in(active_suppressions(workspace_id), "phone_number", numbers))
    return listed | {number for number in numbers if number in erased}


def find_in(rows: "QuerySet[Any]", field: str, values: Sequence[Any], *also: str) -> Iterator[Any]:
    """The field (with others: tuples) of the rows in which it has one of the values."""
    for start in range(0, len(values), _AT_ONCE):
        some = rows.filter(**{f"{field}__in": values[start : start + _AT_ONCE]})
        yield from some.values_list(field, *also) if also else some.values_list(field, flat=True)
