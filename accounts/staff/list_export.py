"""What a list of the admin shows under its filters, as a file: masked as on the page, streamed."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Any, Literal

from django.contrib.admin.utils import label_for_field, lookup_field
from django.db.models import Model
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.html import strip_tags
from django.utils.http import content_disposition_header
from django.utils.text import capfirst, slugify

from voiceops.core.csv_encoding import CHUNK_ROWS, Row, encode_csv_for_spreadsheets
from voiceops.core.xlsx_encoding import XLSX_MEDIA_TYPE, encode_xlsx

MAX_EXPORTED_ROWS = 100_000
ListFormat = Literal["csv", "xlsx"]
LIST_FORMATS: tuple[ListFormat, ...] = ("csv", "xlsx")


def export_list(page: Any, request: HttpRequest, form: ListFormat) -> StreamingHttpResponse:
    """Return the columns of the list, of all rows that its filters find, up to a limit."""
    changes = page.get_changelist_instance(request)
    columns = page.exported_columns or page.list_display
    header = [capfirst(str(label_for_field(name, page.model, page))) for name in columns]
    rows = islice(_in_chunks(changes.queryset), MAX_EXPORTED_ROWS)
    table = chain([header], (_cells_of(row, columns, page) for row in rows))
    title = str(page.opts.verbose_name_plural)
    chunks: Iterable[bytes]
    if form == "xlsx":
        chunks, media_type = encode_xlsx(table, capfirst(title)), XLSX_MEDIA_TYPE
    else:
        chunks, media_type = encode_csv_for_spreadsheets(table), "text/csv"
    response = StreamingHttpResponse(chunks, content_type=media_type)
    name = f"{slugify(title)}-{timezone.now():%Y-%m-%d}.{form}"
    response.headers["Content-Disposition"] = content_disposition_header(True, name)
    return response


def _in_chunks(rows: Any) -> Iterator[Model]:
    # An open cursor would keep a transaction alive while a client downloads.
    is_by_key = list(dict.fromkeys(map(str, rows.query.order_by))) == ["-pk"]
    start, last = 0, None
    while chunk := list(
        rows.filter(pk__lt=last)[:CHUNK_ROWS] if last else rows[start : start + CHUNK_ROWS]
    ):
        yield from chunk
        start, last = start + CHUNK_ROWS, chunk[-1].pk if is_by_key else None


def _cells_of(row: Model, columns: Sequence[str], page: Any) -> Row:
    return [_cell_of(row, name, page) for name in columns]


def _cell_of(row: Model, name: str, page: Any) -> Any:
    _field, _attribute, value = lookup_field(name, row, page)
    if value is None or isinstance(value, datetime | dict | list | bool):
        return value
    return " ".join(strip_tags(str(value)).split())
