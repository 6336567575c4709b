from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.api.lookup import not_found, parse_id
from accounts.api.viewsets import (
    DestroyMixin,
    ListMixin,
    PatchMixin,
    RetrieveMixin,
    WorkspaceViewSet,
)
from accounts.roles import Role
from webhooks import services
from webhooks.models import WebhookDelivery, WebhookEndpoint
from webhooks.serializers import (
    DeliveryDetailSerializer,
    DeliveryQuery,
    DeliverySerializer,
    NewWebhookSerializer,
    QueuedSerializer,
    RedeliverySerializer,
    WebhookSerializer,
)


class WebhookViewSet(ListMixin, RetrieveMixin, PatchMixin, DestroyMixin, WorkspaceViewSet):
    model = WebhookEndpoint
    serializer_class = WebhookSerializer
    actions_without_body = ("rotate_secret", "test", "redeliver")
    required_roles = {
        "list": Role.MEMBER,
        "retrieve": Role.MEMBER,
        "deliveries": Role.MEMBER,
        "delivery": Role.MEMBER,
        "create": Role.ADMIN,
        "partial_update": Role.ADMIN,
        "destroy": Role.ADMIN,
        "rotate_secret": Role.ADMIN,
        "test": Role.ADMIN,
        "redeliver": Role.ADMIN,
        "redeliver_many": Role.ADMIN,
    }

    def refine_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.select_related("workspace")

    @extend_schema(responses={201: NewWebhookSerializer})
    def create(self, request: Request) -> Response:
        """`secret` verifies the signatures of what is sent. It is returned only here."""
        values = self.validate_body()
        endpoint, secret = services.create_endpoint(
            workspace=self.workspace, principal=self.principal, **values
        )
        return Response({**self.get_serializer(endpoint).data, "secret": secret}, status=201)

    def perform_update(self, serializer: BaseSerializer[WebhookEndpoint]) -> None:
        assert serializer.instance is not None
        services.update_endpoint(
            endpoint=serializer.instance,
            changes=serializer.validated_data,
            principal=self.principal,
        )

    def perform_destroy(self, instance: WebhookEndpoint) -> None:
        services.delete_endpoint(endpoint=instance, principal=self.principal)

    @extend_schema(request=None, responses=NewWebhookSerializer)
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, request: Request, pk: str) -> Response:
        """Returns a new secret, once. For 24 hours the previous secret signs as well."""
        endpoint = self.get_object()
        secret = services.rotate_secret(
            endpoint=endpoint, now=timezone.now(), principal=self.principal
        )
        return Response({**self.get_serializer(endpoint).data, "secret": secret})

    @extend_schema(request=None, responses={201: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Send a `webhook.test` event. Its delivery shows whether it arrived."""
        delivery = services.send_test(
            endpoint=self.get_object(), now=timezone.now(), principal=self.principal
        )
        return Response(DeliverySerializer(delivery).data, status=201)

    @extend_schema(parameters=[DeliveryQuery], responses=DeliverySerializer(many=True))
    @action(detail=True, methods=["get"])
    def deliveries(self, request: Request, pk: str) -> Response:
        """The deliveries of the last 30 days, newest first."""
        endpoint = self.read_columns("pk").pk
        return self.read_page(
            DeliverySerializer,
            list_deliveries,
            model=WebhookDelivery,
            query_class=DeliveryQuery,
            endpoint=endpoint,
        )

    @extend_schema(responses=DeliveryDetailSerializer)
    @action(detail=True, methods=["get"], url_path="deliveries/(?P<delivery_id>[^/]+)")
    def delivery(self, request: Request, pk: str, delivery_id: str) -> Response:
        """A delivery with its payload, its headers, and what the receiver answered."""
        return Response(DeliveryDetailSerializer(self._get_delivery(delivery_id)).data)

    @extend_schema(request=RedeliverySerializer, responses={200: QueuedSerializer})
    @action(detail=True, methods=["post"], url_path="redeliver")
    def redeliver_many(self, request: Request, pk: str) -> Response:
        """Sends the deliveries of a span of time again, for a receiver that has lost them."""
        endpoint = self.get_object()
        body = self.validate_body(RedeliverySerializer)
        queued = services.redeliver_many(
            endpoint=endpoint,
            since=body.pop("from"),
            until=body.pop("to"),
            **body,
            now=timezone.now(),
            principal=self.principal,
        )
        return Response({"queued": queued})

    @extend_schema(request=None, responses=DeliverySerializer)
    @action(detail=True, methods=["post"], url_path="deliveries/(?P<delivery_id>[^/]+)/redeliver")
    def redeliver(self, request: Request, pk: str, delivery_id: str) -> Response:
        """Send a delivery again, whatever its status, with a fresh retry schedule."""
        delivery = self._get_delivery(delivery_id)
        self.validate_empty_body()
        sent = services.redeliver(delivery=delivery, now=timezone.now(), principal=self.principal)
        return Response(DeliverySerializer(sent).data)

    def _get_delivery(self, delivery_id: str) -> WebhookDelivery:
        """Return a delivery of the endpoint in the path. Raises NotFound."""
        rows = self.get_row().deliveries.select_related("event", "endpoint")
        delivery: WebhookDelivery | None = rows.filter(
            pk=parse_id(delivery_id, WebhookDelivery)
        ).first()
        if delivery is None:
            raise not_found(WebhookDelivery)
        return delivery


def list_deliveries(rows: QuerySet[Any], query: Mapping[str, Any]) -> QuerySet[Any]:
    """Return an endpoint's deliveries, newest first."""
    columns = {"status": "status", "event": "event__type"}
    filters = {column: query[name] for name, column in columns.items() if name in query}
    return rows.filter(**filters).order_by("-pk")
