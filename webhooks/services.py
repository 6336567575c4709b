from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import transaction
from django.db.models import Q

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from accounts.roles import Role
from accounts.services import email_delivery
from voiceops.core.errors import StateForbids
from voiceops.core.ids import uuid7
from voiceops.core.safe_http import Answer, check_url, post
from webhooks import signing
from webhooks.models import TEST, WebhookDelivery, WebhookEndpoint, WebhookEvent
from webhooks.retry_schedule import GIVES_UP_AFTER, next_try

OVERLAP = timedelta(hours=24)  # in which the secret before signs too
KEPT = timedelta(days=30)
PRUNED_AT_ONCE, PRUNE_ROUNDS = 1_000, 200
DISABLED = "Webhook is disabled"
GONE = "The receiver answered 410 Gone"
GAVE_UP = "Nothing arrived for five days"
Status = WebhookDelivery.Status


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


def deliver(*, delivery: WebhookDelivery, now: datetime) -> Answer:
    """Try once and note the result. The caller has claimed it; no transaction is open while the
    network answers.
    """
    endpoint, event = delivery.endpoint, delivery.event
    headers = signing.sign(endpoint, message_id=event.message_id, body=event.body, now=now)
    return post(
        endpoint.url,
        body=event.body,
        headers={
            **headers,
            "content-type": "application/json",
            "user-agent": "VoiceOps-Webhooks/1",
        },
    )


def record_answer(
    *, delivery: WebhookDelivery, answer: Answer, now: datetime, duration_ms: int
) -> None:
    """What a try came to, for the delivery and for its endpoint."""
    attempts = delivery.attempts + 1
    again = (
        None
        if answer.arrived
        else next_try(attempts=attempts, now=now, retry_after=answer.retry_after)
    )
    changes: dict[str, Any] = {
        "attempts": attempts,
        "last_attempt_at": now,
        "response_status": answer.status,
        "error": answer.error,
        "duration_ms": duration_ms,
    }
    if answer.arrived:
        changes |= {"status": Status.DELIVERED, "delivered_at": now}
    elif again is None:
        changes |= {"status": Status.FAILED}
    else:
        changes |= {"due_at": again}
    with transaction.atomic():
        WebhookDelivery.unscoped.filter(pk=delivery.pk, due_at=delivery.due_at).update(**changes)
        _update_endpoint_health(delivery.endpoint, answer, now)


def prune(now: datetime) -> int:
    """Forget events, and with them their deliveries, after 30 days: some at a time. Returns how
    many events.
    """
    old = WebhookEvent.unscoped.filter(created_at__lt=now - KEPT).order_by("created_at")
    forgotten = 0
    for _ in range(PRUNE_ROUNDS):
        ids = list(old.values_list("pk", flat=True)[:PRUNED_AT_ONCE])
        if not ids:
            break
        WebhookEvent.unscoped.filter(pk__in=ids).delete()
        forgotten += len(ids)
    return forgotten


def erase_events(workspace: Workspace, words: Sequence[str]) -> int:
    """Forget events, and their deliveries, that carry one of these words; how many."""
    told = Q.create([("body__contains", word) for word in words], connector=Q.OR)
    found = list(
        WebhookEvent.unscoped.filter(told, workspace=workspace).values_list("pk", flat=True)
    )
    for start in range(0, len(found), PRUNED_AT_ONCE):
        WebhookEvent.unscoped.filter(pk__in=found[start : start + PRUNED_AT_ONCE]).delete()
    return len(found)


def body_of(type: str, at: datetime, data: Any) -> str:
    """The thin envelope of Standard Webhooks."""
    envelope = {"type": type, "timestamp": at, "data": data}
    return orjson.dumps(envelope, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC).decode()


def _update_endpoint_health(endpoint: WebhookEndpoint, answer: Answer, now: datetime) -> None:
    """Compare and set: of many tries at once, one starts, ends or draws the line under a row of
    failures.
    """
    rows = WebhookEndpoint.unscoped.filter(pk=endpoint.pk)
    if answer.arrived:
        if endpoint.failing_since is not None:
            rows.update(failing_since=None)
        return
    rows.filter(failing_since=None).update(failing_since=now)
    reason = GONE if answer.status == 410 else GAVE_UP
    enabled = rows.filter(is_enabled=True)
    if answer.status != 410:
        enabled = enabled.filter(failing_since__lte=now - GIVES_UP_AFTER)
    if enabled.update(is_enabled=False, disabled_reason=reason):
        _note("webhook.disabled", endpoint, None, reason=reason)
        transaction.on_commit(lambda: _notify_admins(endpoint, reason))


def _notify_admins(endpoint: WebhookEndpoint, reason: str) -> None:
    admins = endpoint.workspace.memberships.filter(role=Role.ADMIN, user__is_active=True)
    addresses = list(admins.values_list("user__email", flat=True))
    text = f"{reason}, so the webhook {endpoint.url} of {endpoint.workspace.name} was disabled.\n\nEnable it with "
    for address in addresses:
        email_delivery.send(
            address, "A webhook was disabled", f"{text}PATCH /webhooks/{endpoint.pk}.\n"
        )


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
