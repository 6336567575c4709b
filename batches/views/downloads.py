"""A batch's files: results and rejected rows, streamed."""

from itertools import chain

from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request

from accounts.api.viewsets import WorkspaceViewSet
from accounts.auth.principal import Principal
from accounts.roles import Role
from batches.models import Batch
from batches.reporting import exports
from voiceops.core.csv_encoding import BYTE_ORDER_MARK
from voiceops.core.xlsx_encoding import XLSX_MEDIA_TYPE


class DownloadViewSet(WorkspaceViewSet):
    model = Batch
    lookup_value_converter = "str"
    slow_actions = ("results_csv", "results_xlsx", "rejected_csv")
    required_roles = {
        "results_csv": Role.MEMBER,
        "results_xlsx": Role.MEMBER,
        "rejected_csv": Role.MEMBER,
    }

    @extend_schema(responses={(200, "text/csv"): str})
    @action(detail=True, methods=["get"], url_path="results.csv")
    def results_csv(self, request: Request, pk: str) -> HttpResponseBase:
        """The original columns and each recipient's result, as CSV."""
        return file_response(self.get_object(), "results.csv", principal=self.principal)

    @extend_schema(responses={(200, XLSX_MEDIA_TYPE): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], url_path="results.xlsx")
    def results_xlsx(self, request: Request, pk: str) -> HttpResponseBase:
        """The original columns and each recipient's result, as a workbook."""
        return file_response(self.get_object(), "results.xlsx", principal=self.principal)

    @extend_schema(responses={(200, "text/csv"): str})
    @action(detail=True, methods=["get"], url_path="rejected.csv")
    def rejected_csv(self, request: Request, pk: str) -> HttpResponseBase:
        """The rejected rows as uploaded, each with its number and the reason."""
        return file_response(self.get_object(), "rejected.csv", principal=self.principal)


def file_response(
    batch: Batch, name: str, *, principal: Principal, for_staff: bool = False
) -> HttpResponseBase:
    """Return one of `exports.EXPORT_FILES` as a streamed attachment.

    `for_staff` names the file after batch and day, and marks CSV as UTF-8, which spreadsheets take
    for another encoding otherwise.
    """
    export = exports.open_export(batch, name, principal=principal)
    marks_encoding = for_staff and export.media_type == exports.CSV_MEDIA_TYPE
    chunks = chain([BYTE_ORDER_MARK], export.chunks) if marks_encoding else export.chunks
    response = StreamingHttpResponse(chunks, content_type=export.media_type)
    filename = _name_for_staff(batch, name) if for_staff else name
    response.headers["Content-Disposition"] = content_disposition_header(True, filename)
    # Browsers must not guess a type from content that strangers have uploaded.
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _name_for_staff(batch: Batch, name: str) -> str:
    """Return, for example, `spring-reminders-2026-03-02-results.csv`."""
    title = slugify(batch.name, allow_unicode=True) or "batch"
    return f"{title}-{timezone.now():%Y-%m-%d}-{name}"
