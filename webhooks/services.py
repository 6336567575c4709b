from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from voiceops.core.errors import StateForbids
from voiceops.core.ids import uuid7
from voiceops.core.safe_http import check_url
from webhooks import signing
from webhooks.delivery import Status
from webhooks.models import TEST, WebhookDelivery, WebhookEndpoint, WebhookEvent
from webhooks.signing import body_of

OVERLAP = timedelta(hours=24)  # in which the secret before signs too
DISABLED = "Webhook is disabled"


def create_endpoint(
    *, workspace: Workspace, principal: Principal | None = None, **fields: Any
) -> tuple[WebhookEndpoint, str]:
    """The row and its secret, which nobody will see again. Raises Invalid for an address that must
    not be called.
    """
    check_url(fields["url"])
    secret = signing.new_secret()
    with transaction.atomic():
        endpoint = WebhookEndpoint(id=uuid7(), workspace=workspace, **fields)
        endpoint.secret = signing.encrypt_secret(endpoint, "secret", secret)
        endpoint.save(force_insert=True)
        _note("webhook.created", endpoint, principal, url=endpoint.url)
    return endpoint, secret


def update_endpoint(
    *, endpoint: WebhookEndpoint, changes: dict[str, Any], principal: Principal | None = None
) -> WebhookEndpoint:
    """Enabled again, an endpoint begins with a clean slate. Raises Invalid."""
    check_url(changes.get("url", endpoint.url))
    if changes.get("is_enabled"):
        changes = {**changes, "disabled_reason": None, "failing_since": None}
    for name, value in changes.items():
        setattr(endpoint, name, value)
    with transaction.atomic():
        endpoint.save(update_fields=list(changes))
        _note("webhook.updated", endpoint, principal, fields=sorted(changes))
    return endpoint


def rotate_secret(
    *, endpoint: WebhookEndpoint, now: datetime, principal: Principal | None = None
) -> str:
    """A new secret; for a day the one before signs too, so that no receiver misses a beat."""
    secret = signing.new_secret()
    with transaction.atomic():
        before = WebhookEndpoint.unscoped.select_for_update().get(pk=endpoint.pk)
        endpoint.previous_secret = signing.reencrypt_secret(
            before, since="secret", to="previous_secret"
        )
        endpoint.previous_secret_until = now + OVERLAP
        endpoint.secret = signing.encrypt_secret(endpoint, "secret", secret)
        endpoint.save(update_fields=["secret", "previous_secret", "previous_secret_until"])
        _note("webhook.secret_rotated", endpoint, principal)
    return secret


def delete_endpoint(*, endpoint: WebhookEndpoint, principal: Principal | None = None) -> None:
    with transaction.atomic():
        _note("webhook.deleted", endpoint, principal, url=endpoint.url)
        endpoint.delete()


def send_test(
    *, endpoint: WebhookEndpoint, now: datetime, principal: Principal | None = None
) -> WebhookDelivery:
    """Queue an event that says nothing, to see whether it arrives. Raises StateForbids for a
    disabled endpoint.
    """
    _refuse_disabled(endpoint)
    pk = uuid7()
    data = {"webhook_id": endpoint.pk, "message": "If you can read this, the webhook works."}
    with transaction.atomic():
        event = WebhookEvent.unscoped.create(
            id=pk,
            workspace=endpoint.workspace,
            type=TEST,
            key=f"{TEST}:{pk}",
            at=now,
            body=body_of(TEST, now, data),
        )
        _note("webhook.tested", endpoint, principal)
        return WebhookDelivery.unscoped.create(
            workspace=endpoint.workspace, endpoint=endpoint, event=event, due_at=now
        )


def redeliver(
    *, delivery: WebhookDelivery, now: datetime, principal: Principal | None = None
) -> WebhookDelivery:
    """Send it again, whatever became of it, with the whole ladder of tries. Raises StateForbids
    when disabled.
    """
    _refuse_disabled(delivery.endpoint)
    delivery.status, delivery.attempts, delivery.due_at = Status.PENDING, 0, now
    with transaction.atomic():
        delivery.save(update_fields=["status", "attempts", "due_at"])
        _note("webhook.redelivered", delivery.endpoint, principal, delivery=str(delivery.pk))
    return delivery


def _refuse_disabled(endpoint: WebhookEndpoint) -> None:
    if not endpoint.is_enabled:
        raise StateForbids(DISABLED)


def _note(
    action: str, endpoint: WebhookEndpoint, principal: Principal | None, **changes: Any
) -> None:
    audit.record(
        action,
        principal=principal or Principal(workspace=endpoint.workspace),
        target=endpoint,
        changes=changes,
    )
