"""Looks up which of a chunk's values are in a table already."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import QuerySet

from voiceops.db.chunks import chunked


def find_in(rows: "QuerySet[Any]", field: str, values: Sequence[Any], *also: str) -> Iterator[Any]:
    """Yield the field of each row in which it has one of the values; with `also`, tuples."""
    for chunk in chunked(values):
        found = rows.filter(**{f"{field}__in": chunk})
        yield from found.values_list(field, *also) if also else found.values_list(field, flat=True)
