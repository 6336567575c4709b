"""A batch's results and rejected rows as files, encoded while they are read."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from accounts import audit
from accounts.auth.principal import Principal
from batches.models import Batch
from batches.reporting import tables
from voiceops.core.csv_encoding import encode_csv
from voiceops.core.xlsx_encoding import XLSX_MEDIA_TYPE, encode_xlsx

CSV_MEDIA_TYPE = "text/csv; charset=utf-8"


class Export(NamedTuple):
    """A file's media type and its content in pieces."""

    media_type: str
    chunks: Iterable[bytes]


def _results_csv(batch: Batch) -> Export:
    return Export(CSV_MEDIA_TYPE, encode_csv(tables.result_rows(batch)))


def _results_xlsx(batch: Batch) -> Export:
    return Export(XLSX_MEDIA_TYPE, encode_xlsx(tables.result_rows(batch)))


def _rejected_csv(batch: Batch) -> Export:
    return Export(CSV_MEDIA_TYPE, encode_csv(tables.rejected_rows(batch)))


EXPORT_FILES: dict[str, Callable[[Batch], Export]] = {
    "results.csv": _results_csv,
    "results.xlsx": _results_xlsx,
    "rejected.csv": _rejected_csv,
}


def open_export(batch: Batch, name: str, *, principal: Principal) -> Export:
    """Open one of `EXPORT_FILES` and record it in the audit log: it contains personal data."""
    # Before the first byte: a download that breaks off has left the system too.
    audit.record("batch.exported", principal=principal, target=batch, changes={"file": name})
    return EXPORT_FILES[name](batch)
