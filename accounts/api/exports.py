"""Lists as files."""

from typing import Any, ClassVar

from django.http import StreamingHttpResponse

from accounts.api.viewsets import WorkspaceViewSet
from accounts.services.list_export import Encode, export_rows
from voiceops.core.csv_encoding import encode_csv, encode_csv_for_spreadsheets
from voiceops.core.xlsx_encoding import XLSX_MEDIA_TYPE, encode_xlsx

CSV_MEDIA_TYPE = "text/csv; charset=utf-8"
FORMATS: dict[str, tuple[str, Encode]] = {
    "csv": (CSV_MEDIA_TYPE, encode_csv),
    "csv for spreadsheets": (CSV_MEDIA_TYPE, encode_csv_for_spreadsheets),
    "xlsx": (XLSX_MEDIA_TYPE, encode_xlsx),
}


class ExportingViewSet(WorkspaceViewSet):
    """A list that can be downloaded as a whole, with its filters and the fields of its rows.

    `export_name` is that of the file, and of the audit entry: `calls.exported`.
    """

    abstract = True
    export_name: ClassVar[str]
    export_serializer: ClassVar[Any] = None  # of the rows in the file, if not of those in the list

    def respond_with_file(self, form: str, ending: str) -> StreamingHttpResponse:
        """Answer with what the list's filters find, newest first, in one of FORMATS."""
        media_type, encode = FORMATS[form]
        kind: Any = self.export_serializer or self.serializer_class
        found = self.apply_filters(self.get_queryset(), self.query)
        chunks = export_rows(
            kind.values_of(found),
            action=f"{self.export_name}.exported",
            header=kind.field_names(),
            to_cells=lambda row: list(kind.read([row])[0].values()),
            encode=encode,
            filters=self.query,
            principal=self.principal,
        )
        response = StreamingHttpResponse(chunks, content_type=media_type)
        name = f"{self.export_name.replace('_', '-')}.{ending}"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response
