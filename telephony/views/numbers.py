from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.viewsets import (
    DestroyMixin,
    ListMixin,
    PatchMixin,
    RetrieveMixin,
    WorkspaceViewSet,
)
from accounts.roles import Role
from telephony.models import PhoneNumber, Provider, SipTrunk
from telephony.serializers.calls import CallSerializer, serialize_call
from telephony.serializers.numbers import (
    CountryQuery,
    DriftSerializer,
    InventoryQuery,
    NumberPricesSerializer,
    OfferSerializer,
    PhoneNumberChangeSerializer,
    PhoneNumberSerializer,
    PurchaseSerializer,
    SipTrunkChangeSerializer,
    SipTrunkSerializer,
    TestCallSerializer,
)
from telephony.services import drift, numbers, purchase, test_calls, trunks
from telephony.services.numbers import NumberOrder
from voiceops.api.pagination import validate_query
from voiceops.core.clock import database_now


class PhoneNumberViewSet(
    ListMixin,
    RetrieveMixin,
    mixins.CreateModelMixin,
    PatchMixin,
    DestroyMixin,
    WorkspaceViewSet,
):
    """Phone numbers with their trunks at LiveKit."""

    model = PhoneNumber
    serializer_class = PhoneNumberSerializer
    actions_without_body = ("repair",)
    slow_actions = (
        "create",
        "partial_update",
        "destroy",
        "available",
        "prices",
        "purchase",
        "drift",
        "repair",
    )
    required_roles = {
        "list": Role.MEMBER,
        "retrieve": Role.MEMBER,
        "drift": Role.MEMBER,
        "create": Role.ADMIN,
        "partial_update": Role.ADMIN,
        "destroy": Role.ADMIN,
        "available": Role.ADMIN,
        "prices": Role.ADMIN,
        "purchase": Role.ADMIN,
        "repair": Role.ADMIN,
        "test": Role.ADMIN,
    }

    def refine_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        related = queryset.select_related("workspace", "inbound_agent", "pace")
        return related.prefetch_related("trunks")

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        kinds: dict[str, Any] = {
            "partial_update": PhoneNumberChangeSerializer,
            "purchase": PurchaseSerializer,
            "test": TestCallSerializer,
        }
        kind: type[BaseSerializer[Any]] = kinds.get(self.action, PhoneNumberSerializer)
        return kind

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        assert isinstance(serializer, PhoneNumberSerializer)
        serializer.instance = self._register(serializer.to_order())

    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        assert isinstance(serializer.instance, PhoneNumber)
        numbers.change_number(
            number=serializer.instance,
            changes=dict(serializer.validated_data),
            principal=self.principal,
        )
        # Read again: a change may replace the trunks, which were prefetched before it.
        serializer.instance = self.get_object()

    def perform_destroy(self, instance: PhoneNumber) -> None:
        numbers.remove_number(number=instance, principal=self.principal)

    @extend_schema(parameters=[InventoryQuery], responses=OfferSerializer(many=True))
    @action(detail=False, methods=["get"])
    def available(self, request: Request) -> Response:
        """The numbers that Twilio sells now."""
        query = validate_query(InventoryQuery, request)
        names = ("area_code", "contains")
        filters = {name: query[name] for name in names if query.get(name) not in (None, "")}
        found = purchase.search_numbers(
            country=query["country"], kind=query["type"], filters=filters
        )
        return self.get_paginated_response(self.paginate_queryset(found))

    @extend_schema(parameters=[CountryQuery], responses=NumberPricesSerializer)
    @action(detail=False, methods=["get"])
    def prices(self, request: Request) -> Response:
        """What Twilio's numbers of a country cost a month."""
        country = validate_query(CountryQuery, request)["country"]
        return Response(purchase.number_prices(country=country))

    @extend_schema(request=PurchaseSerializer, responses={201: PhoneNumberSerializer})
    @action(detail=False, methods=["post"])
    def purchase(self, request: Request) -> Response:
        """Buys a number at Twilio, connects it to LiveKit and registers it, or does nothing."""
        order = NumberOrder(provider=Provider.TWILIO, buy=True, **self.validate_body())
        number = self._register(order)
        return Response(PhoneNumberSerializer(number).data, status=201)

    @extend_schema(responses=DriftSerializer)
    @action(detail=True, methods=["get"])
    def drift(self, request: Request, pk: str) -> Response:
        """The differences between this number and its trunks at LiveKit, in sentences."""
        differences = drift.check_number(number=self.get_object())
        return Response({"checked_at": database_now(), "drift": differences})

    @extend_schema(request=None, responses=PhoneNumberSerializer)
    @action(detail=True, methods=["post"])
    def repair(self, request: Request, pk: str) -> Response:
        """Restores this number's trunks at LiveKit."""
        drift.repair_number(number=self.get_object(), principal=self.principal)
        return Response(PhoneNumberSerializer(self.get_object()).data)

    @extend_schema(request=TestCallSerializer, responses={201: CallSerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Queues a real test call, which is hung up when it is answered.

        What the carrier answered stands in the call, at `GET /calls/{id}`, as soon as it is known.
        """
        number = self.get_object()
        to = self.validate_body(TestCallSerializer)["to"]
        call = test_calls.place_test_call(number=number, to=to, principal=self.principal)
        return Response(serialize_call(call), status=201)

    def _register(self, order: NumberOrder) -> PhoneNumber:
        return numbers.register_number(
            workspace=self.workspace, order=order, principal=self.principal
        )


class SipTrunkViewSet(
    ListMixin,
    RetrieveMixin,
    mixins.CreateModelMixin,
    PatchMixin,
    DestroyMixin,
    WorkspaceViewSet,
):
    """SIP trunks, both those of phone numbers and standalone ones."""

    model = SipTrunk
    serializer_class = SipTrunkSerializer
    slow_actions = ("create", "partial_update", "destroy")
    required_roles = {
        "list": Role.MEMBER,
        "retrieve": Role.MEMBER,
        "create": Role.ADMIN,
        "partial_update": Role.ADMIN,
        "destroy": Role.ADMIN,
    }

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return SipTrunkChangeSerializer if self.action == "partial_update" else SipTrunkSerializer

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        values = dict(serializer.validated_data)
        serializer.instance = trunks.create_trunk(
            workspace=self.workspace, values=values, principal=self.principal
        )

    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        assert isinstance(serializer.instance, SipTrunk)
        changes = dict(serializer.validated_data)
        serializer.instance = trunks.change_trunk(
            trunk=serializer.instance, changes=changes, principal=self.principal
        )

    def perform_destroy(self, instance: SipTrunk) -> None:
        trunks.remove_trunk(trunk=instance, principal=self.principal)
