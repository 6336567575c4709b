"""What a developer looks at when a webhook did not arrive, and how it is sent again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from standardwebhooks import Webhook

from accounts.models import AuditEntry, Workspace
from accounts.roles import Role
from tests import make
from tests.webhooks.conftest import Receiver
from voiceops.core.crypto import decrypt
from voiceops.core.ids import uuid7
from webhooks import signing
from webhooks.models import WebhookDelivery, WebhookEvent
from worker.periodic.webhook_delivery import attempt_delivery

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def event_at(delivery: WebhookDelivery, at: datetime, **fields: Any) -> WebhookDelivery:
    WebhookEvent.unscoped.filter(pk=delivery.event_id).update(at=at, **fields)
    return delivery


def test_delivery_shows_what_was_sent_and_what_was_answered(
    ours: Workspace, receiver: Receiver
) -> None:
    receiver.answers, receiver.body = [422], b"missing\0field" + b"x" * 900
    endpoint = make.webhook(ours, url=receiver.url)
    event = event_at(make.delivery(endpoint), NOON, body='{"type":"call.ended","data":{"n":1}}')
    delivery = WebhookDelivery.unscoped.get(pk=event.pk)
    now = timezone.now()
    assert delivery.claim(now)
    attempt_delivery(delivery, now)

    url = f"/webhooks/{endpoint.pk}/deliveries"
    client = make.client(ours, Role.MEMBER)
    body = client.get(f"{url}/{delivery.pk}").json()

    (listed,) = client.get(url).json()["items"]
    ((sent, sent_body),) = receiver.requests
    names = ("content-type", "user-agent", "webhook-id", "webhook-signature", "webhook-timestamp")
    assert body == {
        **listed,
        "payload": {"type": "call.ended", "data": {"n": 1}},
        "headers": {name: sent[name] for name in names},
        "answer": {
            "status": 422,
            "body": "missing\ufffdfield" + "x" * 487,
            "error": "answered 422",
            "duration_ms": body["duration_ms"],
        },
    }
    secret = decrypt(endpoint.secret, signing._context(endpoint, "secret"))
    assert Webhook(secret).verify(sent_body, body["headers"]) == body["payload"]


def test_delivery_before_its_first_attempt_has_no_headers_and_no_answer(ours: Workspace) -> None:
    delivery = make.delivery(make.webhook(ours))

    body = make.client(ours).get(f"/webhooks/{delivery.endpoint_id}/deliveries/{delivery.pk}")

    assert (body.json()["headers"], body.json()["answer"]) == (None, None)


def test_delivery_of_another_webhook_or_workspace_is_not_found(
    ours: Workspace, theirs: Workspace
) -> None:
    endpoint = make.webhook(ours)
    other, foreign = make.delivery(make.webhook(ours)), make.delivery(make.webhook(theirs))
    client = make.client(ours)

    answers = [
        client.get(f"/webhooks/{endpoint.pk}/deliveries/{pk}")
        for pk in (other.pk, foreign.pk, uuid7())
    ]

    assert [(a.status_code, a.json()) for a in answers] == [
        (404, {"detail": "Webhook delivery not found"})
    ] * 3


@pytest.mark.parametrize(
    ("fields", "queued"),
    [({}, 2), ({"status": "failed"}, 1), ({"event": "batch.completed"}, 0)],
    ids=["all", "failed", "event"],
)
def test_deliveries_of_a_span_are_sent_again(
    ours: Workspace, fields: dict[str, str], queued: int
) -> None:
    endpoint = make.webhook(ours)
    failed = event_at(make.delivery(endpoint, status="failed", attempts=10), NOON)
    event_at(make.delivery(endpoint, status="delivered"), NOON + timedelta(minutes=59))
    later = event_at(make.delivery(endpoint, status="failed"), NOON + timedelta(hours=1))
    elsewhere = event_at(make.delivery(make.webhook(ours), status="failed"), NOON)
    span = {"from": NOON.isoformat(), "to": (NOON + timedelta(hours=1)).isoformat()}

    response = make.client(ours).post(f"/webhooks/{endpoint.pk}/redeliver", {**span, **fields})

    assert (response.status_code, response.json()) == (200, {"queued": queued})
    failed.refresh_from_db()
    assert (failed.status, failed.attempts) == (("pending", 0) if queued else ("failed", 10))
    for untouched in (later, elsewhere):
        untouched.refresh_from_db()
        assert untouched.status == "failed"
    entry = AuditEntry.unscoped.get(action="webhook.redelivered_many")
    assert entry.changes["queued"] == queued


def test_sending_again_needs_a_span_and_an_enabled_webhook(ours: Workspace) -> None:
    disabled = make.webhook(ours, is_enabled=False)
    client, url = make.client(ours), f"/webhooks/{disabled.pk}/redeliver"
    noon, one = NOON.isoformat(), (NOON + timedelta(hours=1)).isoformat()

    refused = client.post(url, {"from": noon, "to": one})
    backwards = client.post(url, {"from": one, "to": noon})
    empty = client.post(url, {})

    assert (refused.status_code, refused.json()) == (400, {"detail": "Webhook is disabled"})
    assert backwards.status_code == 422
    assert [(d["loc"], d["msg"]) for d in backwards.json()["detail"]] == [
        (["body", "to"], "must be later than from")
    ]
    assert [d["loc"] for d in empty.json()["detail"]] == [["body", "from"], ["body", "to"]]


@pytest.mark.parametrize("rows", [1, 3])
def test_sending_again_costs_the_same_for_one_and_for_many(
    ours: Workspace, rows: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    endpoint = make.webhook(ours)
    for _ in range(rows):
        event_at(make.delivery(endpoint, status="failed"), NOON)
    client = make.client(ours)
    span = {"from": NOON.isoformat(), "to": (NOON + timedelta(hours=1)).isoformat()}

    with django_assert_num_queries(7):
        client.post(f"/webhooks/{endpoint.pk}/redeliver", span)
