"""Send webhook deliveries, record what receivers answered, and delete events that are old."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts import audit
from accounts.models import Workspace
from accounts.roles import Role
from accounts.services import email_delivery
from voiceops.core.safe_http import HttpResult, post
from voiceops.db.chunks import chunked
from webhooks import signing
from webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from webhooks.retry_schedule import DISABLE_ENDPOINT_AFTER, next_attempt_at

EVENT_RETENTION = timedelta(days=30)
# Deliveries are deleted with their events, and small chunks hold their locks only briefly.
PRUNE_CHUNK_EVENTS = 1_000
# A backlog must not keep the thread from its other work; the next run continues.
MAX_PRUNE_CHUNKS = 200
REASON_GONE = "The receiver answered 410 Gone"
REASON_NOTHING_DELIVERED = "Nothing arrived for five days"
Status = WebhookDelivery.Status


def request_headers(delivery: WebhookDelivery, sent_at: datetime) -> dict[str, str]:
    """Return the headers of one attempt, signed with the endpoint's present secrets.

    Raises crypto.DecryptError when no configured key decrypts a secret.
    """
    event = delivery.event
    return {
        **signing.sign_headers(
            delivery.endpoint, message_id=event.message_id, body=event.body, now=sent_at
        ),
        "content-type": "application/json",
        "user-agent": "VoiceOps-Webhooks/1",
    }


def send_delivery(*, delivery: WebhookDelivery, now: datetime) -> HttpResult:
    """Send a claimed delivery once and return the answer, which is not recorded yet.

    No transaction is open while the receiver answers.
    """
    headers = request_headers(delivery, now)
    return post(delivery.endpoint.url, body=delivery.event.body, headers=headers)


def record_answer(
    *, delivery: WebhookDelivery, answer: HttpResult, now: datetime, duration_ms: int
) -> None:
    """Record one attempt: finish the delivery or schedule the next attempt, and update the
    endpoint's record of failures.
    """
    attempts = delivery.attempts + 1
    changes: dict[str, Any] = {
        "attempts": attempts,
        "last_attempt_at": now,
        "response_status": answer.status,
        "response_excerpt": answer.excerpt,
        "error": answer.error,
        "duration_ms": duration_ms,
    }
    if answer.is_success:
        changes |= {"status": Status.DELIVERED, "delivered_at": now}
    elif due_at := next_attempt_at(attempts=attempts, now=now, retry_after=answer.retry_after):
        changes |= {"due_at": due_at}
    else:
        changes |= {"status": Status.FAILED}

    with transaction.atomic():
        # `due_at` is the lease: when it has changed, someone asked for a redelivery meanwhile.
        WebhookDelivery.unscoped.filter(pk=delivery.pk, due_at=delivery.due_at).update(**changes)
        _update_endpoint_health(delivery.endpoint, answer, now)


def prune_events(now: datetime) -> int:
    """Delete events older than EVENT_RETENTION with their deliveries, chunk by chunk.

    Returns the number of events deleted; at most MAX_PRUNE_CHUNKS chunks per run.
    """
    old = WebhookEvent.unscoped.filter(created_at__lt=now - EVENT_RETENTION).order_by("created_at")
    deleted = 0
    for _ in range(MAX_PRUNE_CHUNKS):
        ids = list(old.values_list("pk", flat=True)[:PRUNE_CHUNK_EVENTS])
        if not ids:
            break
        WebhookEvent.unscoped.filter(pk__in=ids).delete()
        deleted += len(ids)
    return deleted


def erase_events(workspace: Workspace, phrases: Sequence[str]) -> int:
    """Delete the workspace's events whose body contains one of the phrases, with their deliveries.

    Returns the number of events deleted.
    """
    matching = Q.create([("body__contains", phrase) for phrase in phrases], connector=Q.OR)
    events = WebhookEvent.unscoped.filter(matching, workspace=workspace)
    # Searching the bodies is slow, so it is done once and not again for every chunk.
    ids = list(events.values_list("pk", flat=True))
    for chunk in chunked(ids, PRUNE_CHUNK_EVENTS):
        WebhookEvent.unscoped.filter(pk__in=chunk).delete()
    return len(ids)


def _update_endpoint_health(endpoint: WebhookEndpoint, answer: HttpResult, now: datetime) -> None:
    """Start or end the endpoint's run of failures, or disable it when the run is too long.

    Every step is a compare-and-set, so that of several concurrent attempts exactly one applies it.
    """
    rows = WebhookEndpoint.unscoped.filter(pk=endpoint.pk)
    if answer.is_success:
        if endpoint.failing_since is not None:
            rows.update(failing_since=None)
        return

    rows.filter(failing_since=None).update(failing_since=now)
    # Standard Webhooks: a receiver that answers 410 wants no more events at all.
    is_gone = answer.status == 410
    to_disable = rows.filter(is_enabled=True)
    if not is_gone:
        to_disable = to_disable.filter(failing_since__lte=now - DISABLE_ENDPOINT_AFTER)

    reason = REASON_GONE if is_gone else REASON_NOTHING_DELIVERED
    if to_disable.update(is_enabled=False, disabled_reason=reason):
        audit.record(
            "webhook.disabled",
            target=endpoint,
            changes={"reason": reason},
        )
        # After the commit: a change that is rolled back must not be announced.
        transaction.on_commit(lambda: _notify_admins(endpoint, reason))


def _notify_admins(endpoint: WebhookEndpoint, reason: str) -> None:
    admins = endpoint.workspace.memberships.filter(role=Role.ADMIN, user__is_active=True)
    text = (
        f"{reason}, so the webhook {endpoint.url} of {endpoint.workspace.name} was disabled.\n\n"
        f"Enable it with PATCH /webhooks/{endpoint.pk}.\n"
    )
    for address in list(admins.values_list("user__email", flat=True)):
        email_delivery.send_email(address, "A webhook was disabled", text)
