import base64
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.models import AuditEntry, Workspace
from accounts.roles import Role
from tests import make
from voiceops.core.ids import uuid7
from webhooks.delivery import prune_events
from webhooks.models import EVENTS, WebhookEndpoint

NOW = "2026-11-23T12:00:00Z"
URL = "https://example.com/hook"
PERMITTED = ", ".join(map(repr, EVENTS))


def endpoint_body(endpoint: WebhookEndpoint, **changes: Any) -> dict[str, Any]:
    fields = {
        "id": str(endpoint.pk),
        "url": URL,
        "description": "",
        "events": list(EVENTS),
        "enabled": True,
    }
    return {**fields, "disabled_reason": None, "failing_since": None, "created_at": NOW, **changes}


@time_machine.travel(NOW, tick=False)
def test_webhook_is_created_with_a_secret_returned_once(ours: Workspace) -> None:
    client = make.client(ours)

    created = client.post("/webhooks", {"url": URL})

    endpoint = ours.webhook_endpoints.get()
    body = created.json()
    secret = body.pop("secret")
    assert (created.status_code, body) == (201, endpoint_body(endpoint))
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert secret not in endpoint.secret
    assert client.get(f"/webhooks/{endpoint.pk}").json() == endpoint_body(endpoint)
    assert AuditEntry.unscoped.get(action="webhook.created").changes == {"url": URL}


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (
            {},
            422,
            [{"loc": ["body", "url"], "msg": "field required", "type": "value_error.missing"}],
        ),
        (
            {"url": "ftp://example.com"},
            422,
            [
                {
                    "loc": ["body", "url"],
                    "msg": "invalid or missing URL scheme",
                    "type": "value_error.url.scheme",
                }
            ],
        ),
        (
            {"url": URL, "events": ["call.ended", "call.begun"]},
            422,
            [
                {
                    "loc": ["body", "events", 1],
                    "msg": f"value is not a valid enumeration member; permitted: {PERMITTED}",
                    "type": "type_error.enum",
                }
            ],
        ),
        ({"url": "http://example.com/hook"}, 400, "Webhook URL must be an https address"),
        ({"url": "https://example.com:22/hook"}, 400, "Webhook URL must use port 443 or 8443"),
        ({"url": "https://user:pw@example.com/"}, 400, "Webhook URL must not carry credentials"),
        ({"url": "https://127.0.0.1/hook"}, 400, "Webhook URL must be public"),
        ({"url": "https://[::ffff:10.0.0.1]/hook"}, 400, "Webhook URL must be public"),
        ({"url": "https://2130706433/hook"}, 400, "Webhook URL must be public"),
    ],
)
def test_url_that_must_not_be_called_is_refused(
    ours: Workspace, body: dict[str, Any], status: int, detail: Any
) -> None:
    response = make.client(ours).post("/webhooks", body)

    assert (response.status_code, response.json()) == (status, {"detail": detail})
    assert not ours.webhook_endpoints.exists()


def test_only_admins_change_webhooks(ours: Workspace) -> None:
    endpoint = make.webhook(ours)
    delivery = make.delivery(endpoint)
    client, url = make.client(ours, Role.MANAGER), f"/webhooks/{endpoint.pk}"

    answers = [
        client.post("/webhooks", {}),
        client.patch(url, {}),
        client.delete(url),
        client.post(f"{url}/test"),
        client.post(f"{url}/rotate-secret"),
        client.post(f"{url}/deliveries/{delivery.pk}/redeliver"),
        client.post(f"{url}/redeliver", {}),
    ]

    assert {(a.status_code, a.json()["detail"]) for a in answers} == {
        (403, "Admin access required")
    }
    assert (client.get(url).status_code, client.get(f"{url}/deliveries").json()["total"]) == (
        200,
        1,
    )


def test_enabling_a_webhook_clears_its_failures(ours: Workspace) -> None:
    endpoint = make.webhook(
        ours, is_enabled=False, disabled_reason="Gone", failing_since=timezone.now()
    )

    body = (
        make.client(ours)
        .patch(f"/webhooks/{endpoint.pk}", {"enabled": True, "events": ["call.ended"]})
        .json()
    )

    state = (body["enabled"], body["disabled_reason"], body["failing_since"], body["events"])
    assert state == (True, None, None, ["call.ended"])


def test_deleted_webhook_is_not_found(ours: Workspace) -> None:
    endpoint = make.webhook(ours)
    make.delivery(endpoint)
    client = make.client(ours)

    answers = [client.delete(f"/webhooks/{endpoint.pk}") for _ in range(2)]

    assert [(a.status_code, a.json()) for a in answers] == [
        (200, {"detail": "Deleted"}),
        (404, {"detail": "Webhook not found"}),
    ]


@time_machine.travel(NOW, tick=False)
def test_delivery_log_is_newest_first(ours: Workspace) -> None:
    endpoint = make.webhook(ours)
    first = make.delivery(
        endpoint,
        status="delivered",
        attempts=2,
        response_status=204,
        duration_ms=31,
        delivered_at=timezone.now(),
    )
    second = make.delivery(
        endpoint, attempts=1, error="could not be reached", last_attempt_at=timezone.now()
    )
    make.delivery(make.webhook(ours))

    body = make.client(ours).get(f"/webhooks/{endpoint.pk}/deliveries").json()

    fixed = {"event": "call.ended", "created_at": NOW}
    assert body["total"] == 2
    assert body["items"] == [
        {
            **fixed,
            "id": str(second.pk),
            "event_id": f"msg_{second.event_id.hex}",
            "status": "pending",
            "attempts": 1,
            "response_status": None,
            "error": "could not be reached",
            "duration_ms": None,
            "last_attempt_at": NOW,
            "delivered_at": None,
            "next_attempt_at": NOW,
        },
        {
            **fixed,
            "id": str(first.pk),
            "event_id": f"msg_{first.event_id.hex}",
            "status": "delivered",
            "attempts": 2,
            "response_status": 204,
            "error": None,
            "duration_ms": 31,
            "last_attempt_at": None,
            "delivered_at": NOW,
            "next_attempt_at": None,
        },
    ]


@pytest.mark.parametrize(
    ("query", "total"), [("status=failed", 1), ("event=call.ended", 2), ("event=webhook.test", 0)]
)
def test_delivery_log_is_filtered(ours: Workspace, query: str, total: int) -> None:
    endpoint = make.webhook(ours)
    make.delivery(endpoint)
    make.delivery(endpoint, status="failed")

    body = make.client(ours).get(f"/webhooks/{endpoint.pk}/deliveries?{query}").json()

    assert body["total"] == total


def test_redelivery_starts_a_fresh_retry_schedule(ours: Workspace) -> None:
    endpoint = make.webhook(ours)
    delivery = make.delivery(endpoint, status="failed", attempts=10)
    url = f"/webhooks/{endpoint.pk}/deliveries"
    client = make.client(ours)

    again = client.post(f"{url}/{delivery.pk}/redeliver")
    unknown = client.post(f"{url}/{uuid7()}/redeliver")
    foreign = client.post(f"{url}/{make.delivery(make.webhook(ours)).pk}/redeliver")

    assert (again.status_code, again.json()["status"], again.json()["attempts"]) == (
        200,
        "pending",
        0,
    )
    assert [(a.status_code, a.json()) for a in (unknown, foreign)] == [
        (404, {"detail": "Webhook delivery not found"})
    ] * 2


def test_test_event_is_queued_unless_the_webhook_is_disabled(ours: Workspace) -> None:
    endpoint, disabled = make.webhook(ours), make.webhook(ours, is_enabled=False)
    client = make.client(ours)

    sent = client.post(f"/webhooks/{endpoint.pk}/test")
    refused = client.post(f"/webhooks/{disabled.pk}/test")

    assert (sent.status_code, sent.json()["event"], sent.json()["status"]) == (
        201,
        "webhook.test",
        "pending",
    )
    assert (refused.status_code, refused.json()) == (400, {"detail": "Webhook is disabled"})
    assert endpoint.deliveries.count() == 1


def test_events_are_deleted_after_thirty_days(ours: Workspace) -> None:
    endpoint = make.webhook(ours)
    with time_machine.travel(timezone.now() - timedelta(days=31)):
        make.delivery(endpoint)
    kept = make.delivery(endpoint)

    deleted = prune_events(timezone.now())

    assert deleted == 1
    assert list(endpoint.deliveries.all()) == [kept]
