from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.exports import ExportingViewSet
from accounts.api.viewsets import ListMixin, RetrieveMixin, WorkspaceViewSet
from accounts.roles import Role
from telephony.models import LISTED, Call
from telephony.serializers.calls import (
    BrowserTokenSerializer,
    CallDispositionSerializer,
    CallOrderSerializer,
    CallQuery,
    CallSerializer,
    DtmfSerializer,
    ExportQuery,
    TransferSerializer,
    WebCallSerializer,
    serialize_call,
)
from telephony.services import (
    call_control,
    call_listing,
    calls,
    dispositions,
    web_calls,
)
from telephony.services.calls import CallOrder
from voiceops.core.xlsx_encoding import XLSX_MEDIA_TYPE


class BaseCallViewSet(WorkspaceViewSet):
    """Base of the views of calls; attempts of batches that were never sent are not listed."""

    abstract = True
    model = Call

    def refine_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(LISTED).select_related("agent_version")


class CallViewSet(ListMixin, RetrieveMixin, ExportingViewSet, BaseCallViewSet):
    """Calls, newest first unless sorted otherwise."""

    serializer_class = CallSerializer
    query_class = CallQuery
    export_name = "calls"
    sortable = {name: name for name in ("created_at", "dialed_at", "answered_at", "ended_at")}
    actions_without_body = ("hangup",)
    # Not `hangup`: whoever wants a call to end must never be told to wait.
    slow_actions = ("transfer", "dtmf", "web", "export_csv", "export_xlsx")
    required_roles = {
        "list": Role.MEMBER,
        "export_csv": Role.MEMBER,
        "export_xlsx": Role.MEMBER,
        "retrieve": Role.MEMBER,
        "create": Role.MANAGER,
        "hangup": Role.MANAGER,
        "transfer": Role.MANAGER,
        "dtmf": Role.MANAGER,
        "disposition": Role.MANAGER,
        "web": Role.MANAGER,
    }

    def apply_filters(self, queryset: QuerySet[Any], query: dict[str, Any]) -> QuerySet[Any]:
        return call_listing.filter_calls(queryset, self.workspace, query)

    def apply_ordering(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = self.query.get("sort", "-created_at")
        # Ids sort as `created_at` does, and have an index.
        if name.removeprefix("-") == "created_at":
            return queryset.order_by(name.replace("created_at", "pk"))
        return super().apply_ordering(queryset)

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        kinds: dict[str, Any] = {
            "create": CallOrderSerializer,
            "transfer": TransferSerializer,
            "dtmf": DtmfSerializer,
            "disposition": CallDispositionSerializer,
            "web": WebCallSerializer,
        }
        kind: type[BaseSerializer[Any]] = kinds.get(self.action, CallSerializer)
        return kind

    def list_rows(self, rows: QuerySet[Any], query: dict[str, Any]) -> QuerySet[Any]:
        rows = super().list_rows(rows, query)
        if "after_id" in query:
            rows = call_listing.hold_back_unsent(rows, self.workspace, timezone.now())
        return rows

    @extend_schema(parameters=[ExportQuery], responses={(200, "text/csv"): str})
    @action(detail=False, methods=["get"], url_path=r"export\.csv")
    def export_csv(self, request: Request) -> HttpResponseBase:
        """The calls that the list's filters find, newest first, as CSV."""
        return self.respond_with_file("csv", "csv")

    @extend_schema(
        parameters=[ExportQuery], responses={(200, XLSX_MEDIA_TYPE): OpenApiTypes.BINARY}
    )
    @action(detail=False, methods=["get"], url_path=r"export\.xlsx")
    def export_xlsx(self, request: Request) -> HttpResponseBase:
        """The same as a workbook."""
        return self.respond_with_file("xlsx", "xlsx")

    @extend_schema(responses={201: CallSerializer})
    def create(self, request: Request) -> Response:
        """Queues a call."""
        order = CallOrder(**self.validate_body())
        call = calls.place_call(order=order, principal=self.principal)
        return Response(serialize_call(call), status=201)

    @extend_schema(request=None, responses=CallSerializer)
    @action(detail=True, methods=["post"])
    def hangup(self, request: Request, pk: str) -> Response:
        """Ends a call: a queued one is never dialled, one that is up is hung up."""
        call = call_control.hang_up(call=self.get_object(), principal=self.principal)
        return Response(serialize_call(call))

    @extend_schema(responses=CallSerializer)
    @action(detail=True, methods=["post"])
    def transfer(self, request: Request, pk: str) -> Response:
        """Transfers the callee to another number."""
        call = self.get_object()
        to = self.validate_body()["to"]
        call = call_control.transfer_call(call=call, to=to, principal=self.principal)
        return Response(serialize_call(call))

    @extend_schema(responses=CallSerializer)
    @action(detail=True, methods=["post"])
    def disposition(self, request: Request, pk: str) -> Response:
        """Sets how the call went, instead of what the agent has set; its consequence follows."""
        call = self.get_object()
        body = self.validate_body()
        dispositions.set_disposition(
            call=call, name=body["name"], remark=body.get("note", ""), principal=self.principal
        )
        return Response(serialize_call(call))

    @extend_schema(responses=CallSerializer)
    @action(detail=True, methods=["post"])
    def dtmf(self, request: Request, pk: str) -> Response:
        """Makes the agent press keys; `w` waits half a second."""
        call = self.get_object()
        digits = self.validate_body()["digits"]
        call = call_control.press_keys(call=call, digits=digits, principal=self.principal)
        return Response(serialize_call(call))

    @extend_schema(responses={201: BrowserTokenSerializer})
    @action(detail=False, methods=["post"])
    def web(self, request: Request) -> Response:
        """Opens a test call from a browser, and returns the token to join it."""
        body = self.validate_body()
        token = web_calls.open_web_call(
            agent=body["agent"], variables=body.get("variables", {}), principal=self.principal
        )
        return Response(asdict(token), status=201)
