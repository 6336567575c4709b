"""Operations on webhook endpoints: create, change, test, delete, and send a delivery again."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from voiceops.core.errors import StateForbids
from voiceops.core.ids import uuid7
from voiceops.core.safe_http import require_safe_url
from webhooks import signing
from webhooks.models import TEST_EVENT, WebhookDelivery, WebhookEndpoint, WebhookEvent

SECRET_OVERLAP = timedelta(hours=24)  # how long the previous secret signs as well
WEBHOOK_DISABLED = "Webhook is disabled"


def create_endpoint(
    *, workspace: Workspace, principal: Principal | None = None, **fields: Any
) -> tuple[WebhookEndpoint, str]:
    """Create an endpoint. Returns the row and its secret, which cannot be read again.

    Raises Invalid when the URL is malformed or must not be called.
    """
    require_safe_url(fields["url"])
    secret = signing.generate_secret()

    with transaction.atomic():
        endpoint = WebhookEndpoint(id=uuid7(), workspace=workspace, **fields)
        endpoint.secret = signing.encrypt_secret(endpoint, "secret", secret)
        endpoint.save(force_insert=True)
        audit.record(
            "webhook.created", principal=principal, target=endpoint, changes={"url": endpoint.url}
        )
    return endpoint, secret


def update_endpoint(
    *, endpoint: WebhookEndpoint, changes: dict[str, Any], principal: Principal | None = None
) -> WebhookEndpoint:
    """Change an endpoint. Enabling it clears its record of failures.

    Raises Invalid when the URL is malformed or must not be called.
    """
    require_safe_url(changes.get("url", endpoint.url))
    if changes.get("is_enabled"):
        changes = {**changes, "disabled_reason": None, "failing_since": None}
    for name, value in changes.items():
        setattr(endpoint, name, value)

    with transaction.atomic():
        endpoint.save(update_fields=list(changes))
        audit.record(
            "webhook.updated",
            principal=principal,
            target=endpoint,
            changes={"fields": sorted(changes)},
        )
    return endpoint


def rotate_secret(
    *, endpoint: WebhookEndpoint, now: datetime, principal: Principal | None = None
) -> str:
    """Replace the secret and return the new one.

    The previous secret signs as well for SECRET_OVERLAP, so that receivers can switch at any time.
    """
    secret = signing.generate_secret()
    with transaction.atomic():
        # Two rotations at once must not both keep the same previous secret, hence the lock.
        before = WebhookEndpoint.unscoped.select_for_update().get(pk=endpoint.pk)
        endpoint.previous_secret = signing.reencrypt_secret(
            before, from_column="secret", to_column="previous_secret"
        )
        endpoint.previous_secret_until = now + SECRET_OVERLAP
        endpoint.secret = signing.encrypt_secret(endpoint, "secret", secret)
        endpoint.save(update_fields=["secret", "previous_secret", "previous_secret_until"])
        audit.record("webhook.secret_rotated", principal=principal, target=endpoint)
    return secret


def delete_endpoint(*, endpoint: WebhookEndpoint, principal: Principal | None = None) -> None:
    """Delete an endpoint and its deliveries."""
    with transaction.atomic():
        audit.record(
            "webhook.deleted", principal=principal, target=endpoint, changes={"url": endpoint.url}
        )
        endpoint.delete()


def send_test(
    *, endpoint: WebhookEndpoint, now: datetime, principal: Principal | None = None
) -> WebhookDelivery:
    """Queue a `webhook.test` event for an endpoint. Returns its delivery.

    Raises StateForbids when the endpoint is disabled.
    """
    _require_enabled(endpoint)
    # Unlike other events it is not derived from rows, so its key is its own id.
    pk = uuid7()
    data = {"webhook_id": endpoint.pk, "message": "If you can read this, the webhook works."}

    with transaction.atomic():
        event = WebhookEvent.unscoped.create(
            id=pk,
            workspace=endpoint.workspace,
            type=TEST_EVENT,
            key=f"{TEST_EVENT}:{pk}",
            at=now,
            body=signing.build_body(TEST_EVENT, now, data),
        )
        audit.record("webhook.tested", principal=principal, target=endpoint)
        return WebhookDelivery.unscoped.create(
            workspace=endpoint.workspace, endpoint=endpoint, event=event, due_at=now
        )


def redeliver(
    *, delivery: WebhookDelivery, now: datetime, principal: Principal | None = None
) -> WebhookDelivery:
    """Send a delivery again, whatever its status, with a fresh retry schedule.

    Raises StateForbids when the endpoint is disabled.
    """
    _require_enabled(delivery.endpoint)
    delivery.status = WebhookDelivery.Status.PENDING
    delivery.attempts = 0
    delivery.due_at = now

    with transaction.atomic():
        delivery.save(update_fields=["status", "attempts", "due_at"])
        audit.record(
            "webhook.redelivered",
            principal=principal,
            target=delivery.endpoint,
            changes={"delivery": str(delivery.pk)},
        )
    return delivery


def redeliver_many(
    *,
    endpoint: WebhookEndpoint,
    since: datetime,
    until: datetime,
    status: str | None = None,
    event: str | None = None,
    now: datetime,
    principal: Principal | None = None,
) -> int:
    """Send the deliveries of events made from `since` until before `until` again.

    Returns how many. Raises StateForbids when the endpoint is disabled.
    """
    _require_enabled(endpoint)
    rows = endpoint.deliveries.filter(event__at__gte=since, event__at__lt=until)
    if status is not None:
        rows = rows.filter(status=status)
    if event is not None:
        rows = rows.filter(event__type=event)

    with transaction.atomic():
        queued = WebhookDelivery.unscoped.filter(pk__in=rows.values("pk")).update(
            status=WebhookDelivery.Status.PENDING, attempts=0, due_at=now
        )
        asked = {"from": since.isoformat(), "to": until.isoformat(), "status": status}
        audit.record(
            "webhook.redelivered_many",
            principal=principal,
            target=endpoint,
            changes={**asked, "event": event, "queued": queued},
        )
    return queued


def _require_enabled(endpoint: WebhookEndpoint) -> None:
    """Raises StateForbids when the endpoint is disabled."""
    if not endpoint.is_enabled:
        raise StateForbids(WEBHOOK_DISABLED)
