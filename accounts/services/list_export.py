"""Rows of a workspace as CSV or XLSX, read a chunk at a time."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from accounts import audit
from accounts.auth.principal import Principal
from voiceops.core.csv_encoding import CHUNK_ROWS, Row

Encode = Callable[[Iterable[Row]], Iterator[bytes]]


def export_rows(
    rows: QuerySet[Any, Any],
    *,
    action: str,
    header: Row,
    to_cells: Callable[[Any], Row],
    encode: Encode,
    filters: Mapping[str, Any],
    principal: Principal,
) -> Iterator[bytes]:
    """Return the rows as a file, newest first, and record the export in the audit log as `action`.

    `rows` yields rows with an `id`, of which `to_cells` makes the cells. `filters` are those that
    found the rows; the log has their names only, because values may be numbers.
    """
    names = sorted(filters.keys() - {"page", "page_size", "sort", "total"})
    assert principal.workspace is not None
    # Before the first byte: a download that breaks off has left the system too.
    changes = {"filters": names}
    audit.record(action, principal=principal, target=principal.workspace, changes=changes)
    return encode(chain([header], map(to_cells, _in_chunks(rows.order_by("-pk")))))


def _in_chunks(rows: QuerySet[Any, Any]) -> Iterator[Any]:
    # Keyset paging: an open cursor would keep a transaction alive while a client downloads.
    before: UUID | None = None
    while chunk := list((rows.filter(pk__lt=before) if before else rows)[:CHUNK_ROWS]):
        yield from chunk
        before = chunk[-1].id
