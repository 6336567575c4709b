"""What staff order of a webhook endpoint, and how its last deliveries have gone."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from accounts.auth.principal import Principal
from accounts.staff.panels import Order, secret_page
from voiceops.api.fields import UUID_PATTERN
from voiceops.core.errors import NotFound
from webhooks import services
from webhooks.models import WebhookDelivery, WebhookEndpoint

Status = WebhookDelivery.Status
RATED_DELIVERIES = 100
LISTED_DELIVERIES = 12
AT_FIRST = "This secret is displayed once. The receiver checks signatures with it."
AFTER_ROTATION = f"{AT_FIRST} The one before signs as well for 24 hours."


def order_test(request: HttpRequest, endpoint: WebhookEndpoint, principal: Principal) -> str:
    """Send a test event. Raises StateForbids."""
    services.send_test(endpoint=endpoint, now=timezone.now(), principal=principal)
    return "A test event is on its way."


def order_rotation(
    request: HttpRequest, endpoint: WebhookEndpoint, principal: Principal
) -> HttpResponse:
    """Replace the secret, and display the new one."""
    secret = services.rotate_secret(endpoint=endpoint, now=timezone.now(), principal=principal)
    then = reverse("admin:webhooks_webhookendpoint_change", args=[endpoint.pk])
    return secret_page(request, title="A new secret", text=AFTER_ROTATION, secret=secret, then=then)


def order_enabling(request: HttpRequest, endpoint: WebhookEndpoint, principal: Principal) -> str:
    """Send events to the endpoint again. Raises Invalid."""
    changes = {"is_enabled": True}
    services.update_endpoint(endpoint=endpoint, changes=changes, principal=principal)
    return "The webhook is on."


def order_disabling(request: HttpRequest, endpoint: WebhookEndpoint, principal: Principal) -> str:
    """Send no more events to the endpoint. Raises Invalid."""
    changes = {"is_enabled": False}
    services.update_endpoint(endpoint=endpoint, changes=changes, principal=principal)
    return "The webhook is off."


def order_redelivery(request: HttpRequest, endpoint: WebhookEndpoint, principal: Principal) -> str:
    """Send one delivery again. Raises NotFound and StateForbids."""
    pk = request.POST.get("delivery", "")
    rows = endpoint.deliveries.select_related("endpoint")
    delivery = rows.filter(pk=pk).first() if UUID_PATTERN.fullmatch(pk) else None
    if delivery is None:
        raise NotFound("Delivery not found")
    services.redeliver(delivery=delivery, now=timezone.now(), principal=principal)
    return "The event is sent again."


def order_deletion(
    request: HttpRequest, endpoint: WebhookEndpoint, principal: Principal
) -> HttpResponse:
    """Delete the endpoint with its deliveries."""
    services.delete_endpoint(endpoint=endpoint, principal=principal)
    messages.success(request, "The webhook is deleted.")
    return redirect("admin:webhooks_webhookendpoint_changelist")


ENDPOINT_ORDERS: Mapping[str, Order] = {
    "test": order_test,
    "rotate": order_rotation,
    "enable": order_enabling,
    "disable": order_disabling,
    "again": order_redelivery,
    "delete": order_deletion,
}


def state_of(endpoint: WebhookEndpoint) -> str:
    """Return `on`, `failing` or `off`."""
    if not endpoint.is_enabled:
        return "off"
    return "failing" if endpoint.failing_since else "on"


def webhook_panel(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Return what the panel of an endpoint shows, of its newest deliveries."""
    newest = list(endpoint.deliveries.select_related("event").order_by("-pk")[:RATED_DELIVERIES])
    ended = [delivery for delivery in newest if delivery.status != Status.PENDING]
    delivered = sum(delivery.status == Status.DELIVERED for delivery in ended)
    failed = [delivery for delivery in newest if delivery.error or is_refused(delivery)]
    return {
        "state": state_of(endpoint),
        "rated": len(ended),
        "rate": delivered / len(ended) if ended else None,
        "last_failure": failed[0] if failed else None,
        "deliveries": newest[:LISTED_DELIVERIES],
    }


def is_refused(delivery: WebhookDelivery) -> bool:
    """Whether the receiver answered the last attempt with an error."""
    return delivery.response_status is not None and delivery.response_status >= 300
