"""Send webhook deliveries, record what receivers answered, and prune what is old."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts.models import Workspace
from accounts.roles import Role
from accounts.services import email_delivery
from voiceops.core.safe_http import Answer, post
from webhooks import signing
from webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from webhooks.retry_schedule import GIVES_UP_AFTER, next_try
from webhooks.services import _note

KEPT = timedelta(days=30)
PRUNED_AT_ONCE, PRUNE_ROUNDS = 1_000, 200
GONE = "The receiver answered 410 Gone"
GAVE_UP = "Nothing arrived for five days"
Status = WebhookDelivery.Status


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
