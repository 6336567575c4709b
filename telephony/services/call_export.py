"""Calls as CSV or XLSX, read a chunk at a time."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from accounts import audit
from accounts.auth.principal import Principal
from telephony.models import Call
from voiceops.core.csv_encoding import CHUNK_ROWS, Row


def export_calls(
    calls: QuerySet[Call, Any],
    *,
    header: Row,
    to_cells: Callable[[Any], Row],
    encode: Callable[[Iterable[Row]], Iterator[bytes]],
    filters: dict[str, Any],
    principal: Principal,
) -> Iterator[bytes]:
    """Return the calls as a file, newest first, and record the export in the audit log.

    `calls` yields rows with an `id`, of which `to_cells` makes the cells. `filters` are those that
    found the calls; the log has their names only, because values may be numbers.
    """
    names = sorted(filters.keys() - {"page", "page_size", "sort", "total"})
    assert principal.workspace is not None
    # Before the first byte: a download that breaks off has left the system too.
    audit.record(
        "calls.exported",
        principal=principal,
        target=principal.workspace,
        changes={"filters": names},
    )
    return encode(chain([header], map(to_cells, _in_chunks(calls.order_by("-pk")))))


def _in_chunks(rows: QuerySet[Any, Any]) -> Iterator[Any]:
    # Keyset paging: an open cursor would keep a transaction alive while a client downloads.
    before: UUID | None = None
    while chunk := list((rows.filter(pk__lt=before) if before else rows)[:CHUNK_ROWS]):
        yield from chunk
        before = chunk[-1].id
