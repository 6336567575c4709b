"""What came of a batch as files, written while they are read."""

from collections.abc import Callable, Iterable

from django.http import HttpResponseBase, StreamingHttpResponse

from accounts import audit
from accounts.access import Access
from batches import results, workbook
from batches.models import Batch

CSV = "text/csv; charset=utf-8"
FILES: dict[str, tuple[str, Callable[[Batch], Iterable[bytes]]]] = {
    "results.csv": (CSV, lambda batch: results.as_csv(results.result_rows(batch))),
    "results.xlsx": (workbook.MEDIA_TYPE, lambda batch: workbook.as_xlsx(results.result_rows(batch))),
    "rejected.csv": (CSV, lambda batch: results.as_csv(results.refusal_rows(batch))),
}


def export(batch: Batch, name: str, *, access: Access) -> HttpResponseBase:
    """One of `FILES`. Its people are about to leave the house: that goes on record."""
    media_type, write = FILES[name]
    audit.record("batch.exported", access=access, target=batch, changes={"file": name})
    response = StreamingHttpResponse(write(batch), content_type=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
