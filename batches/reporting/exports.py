"""What came of a batch as files, written while they are read."""

from collections.abc import Callable, Iterable

from django.http import HttpResponseBase, StreamingHttpResponse

from accounts import audit
from accounts.auth.principal import Principal
from batches.models import Batch
from batches.reporting import csv_writer, tables, xlsx

CSV = "text/csv; charset=utf-8"
EXPORT_FILES: dict[str, tuple[str, Callable[[Batch], Iterable[bytes]]]] = {
    "results.csv": (CSV, lambda batch: csv_writer.encode_csv(tables.result_rows(batch))),
    "results.xlsx": (xlsx.MEDIA_TYPE, lambda batch: xlsx.encode_xlsx(tables.result_rows(batch))),
    "rejected.csv": (CSV, lambda batch: csv_writer.encode_csv(tables.rejected_rows(batch))),
}


def export(batch: Batch, name: str, *, principal: Principal) -> HttpResponseBase:
    """One of `FILES`. Its people are about to leave the house: that goes on record."""
    media_type, write = EXPORT_FILES[name]
    audit.record("batch.exported", principal=principal, target=batch, changes={"file": name})
    response = StreamingHttpResponse(write(batch), content_type=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
