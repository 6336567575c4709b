"""A batch's files: results and rejected rows, streamed."""

from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request

from accounts.api.viewsets import WorkspaceViewSet
from accounts.auth.principal import Principal
from accounts.roles import Role
from batches.models import Batch
from batches.reporting import exports, xlsx


class DownloadViewSet(WorkspaceViewSet):
    model = Batch
    lookup_value_converter = "str"
    slow_actions = ("results_csv", "results_xlsx", "rejected_csv")
    required_roles = {
        "results_csv": Role.MEMBER,
        "results_xlsx": Role.MEMBER,
        "rejected_csv": Role.MEMBER,
    }

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], url_path="results.csv")
    def results_csv(self, request: Request, pk: str) -> HttpResponseBase:
        """The original columns and each recipient's result, as CSV."""
        return file_response(self.get_object(), "results.csv", principal=self.principal)

    @extend_schema(responses={(200, xlsx.MEDIA_TYPE): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], url_path="results.xlsx")
    def results_xlsx(self, request: Request, pk: str) -> HttpResponseBase:
        """The original columns and each recipient's result, as a workbook."""
        return file_response(self.get_object(), "results.xlsx", principal=self.principal)

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"], url_path="rejected.csv")
    def rejected_csv(self, request: Request, pk: str) -> HttpResponseBase:
        """The rejected rows as uploaded, each with its number and the reason."""
        return file_response(self.get_object(), "rejected.csv", principal=self.principal)


def file_response(batch: Batch, name: str, *, principal: Principal) -> HttpResponseBase:
    """Return one of `exports.EXPORT_FILES` as a streamed attachment."""
    export = exports.open_export(batch, name, principal=principal)
    response = StreamingHttpResponse(export.chunks, content_type=export.media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    # Browsers must not guess a type from content that strangers have uploaded.
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
