from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.viewsets import WorkspaceViewSet
from accounts.roles import Role
from telephony.models import LISTED, Call
from telephony.serializers.calls import (
    CALL_COLUMNS,
    CallOrderSerializer,
    CallQuery,
    CallSerializer,
    DtmfSerializer,
    TransferSerializer,
    WebCallSerializer,
    WebSeatSerializer,
    serialize_call,
    serialize_row,
)
from telephony.services import call_control, call_listing, calls, web_calls
from telephony.services.calls import CallOrder


class ValuesPage:
    """A queryset that is counted as it is and read as plain values: the count needs no joins, a
    page no instances.
    """

    def __init__(self, queryset: QuerySet[Call]) -> None:
        self.queryset = queryset

    def count(self) -> int:
        return self.queryset.count()

    def __len__(self) -> int:
        return self.count()

    def __getitem__(self, page: slice) -> list[Any]:
        return list(self.queryset.values_list(*CALL_COLUMNS)[page])


class BaseCallViewSet(WorkspaceViewSet):
    abstract = True
    model = Call

    def refine_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(LISTED).select_related("agent_version")


class CallViewSet(mixins.RetrieveModelMixin, BaseCallViewSet):
    serializer_class = CallSerializer
    query_class = CallQuery
    sortable = {name: name for name in ("created_at", "dialed_at", "answered_at", "ended_at")}
    actions_without_body = ("hangup",)
    required_roles = {
        "list": Role.MEMBER,
        "retrieve": Role.MEMBER,
        "create": Role.MANAGER,
        "hangup": Role.MANAGER,
        "transfer": Role.MANAGER,
        "dtmf": Role.MANAGER,
        "web": Role.MANAGER,
    }

    def apply_filters(self, queryset: QuerySet[Any], query: dict[str, Any]) -> QuerySet[Any]:
        return call_listing.filter_calls(queryset, self.workspace, query)

    def apply_ordering(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = self.query.get("sort", "-created_at")
        if name.removeprefix("-") == "created_at":  # as ids do, which have an index
            return queryset.order_by(name.replace("created_at", "pk"))
        return super().apply_ordering(queryset)

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        kinds: dict[str, Any] = {
            "create": CallOrderSerializer,
            "transfer": TransferSerializer,
            "dtmf": DtmfSerializer,
            "web": WebCallSerializer,
        }
        kind: type[BaseSerializer[Any]] = kinds.get(self.action, CallSerializer)
        return kind

    def list(self, request: Request) -> Response:
        page: Any = self.paginate_queryset(ValuesPage(self.filter_queryset(self.get_queryset())))  # type: ignore[arg-type]  # it only counts and slices
        return self.get_paginated_response([serialize_row(values) for values in page])

    @extend_schema(responses={201: CallSerializer})
    def create(self, request: Request) -> Response:
        call = calls.place_call(order=CallOrder(**self.validate_body()), principal=self.principal)
        return Response(serialize_call(call), status=201)

    @extend_schema(request=None, responses=CallSerializer)
    @action(detail=True, methods=["post"])
    def hangup(self, request: Request, pk: str) -> Response:
        return Response(
            serialize_call(call_control.hang_up(call=self.get_object(), principal=self.principal))
        )

    @extend_schema(responses=CallSerializer)
    @action(detail=True, methods=["post"])
    def transfer(self, request: Request, pk: str) -> Response:
        call = self.get_object()
        return Response(
            serialize_call(
                call_control.transfer_call(
                    call=call, principal=self.principal, **self.validate_body()
                )
            )
        )

    @extend_schema(responses=CallSerializer)
    @action(detail=True, methods=["post"])
    def dtmf(self, request: Request, pk: str) -> Response:
        call = self.get_object()
        return Response(
            serialize_call(
                call_control.press_keys(call=call, principal=self.principal, **self.validate_body())
            )
        )

    @extend_schema(responses={201: WebSeatSerializer})
    @action(detail=False, methods=["post"])
    def web(self, request: Request) -> Response:
        order = {"variables": {}, **self.validate_body()}
        return Response(
            asdict(web_calls.open_web_call(principal=self.principal, **order)), status=201
        )
