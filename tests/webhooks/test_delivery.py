import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook, WebhookVerificationError

from accounts.models import AuditEntry, Workspace
from accounts.roles import Role
from accounts.services import email_delivery
from tests import make
from tests.webhooks.conftest import Receiver
from voiceops.core import safe_http
from voiceops.core.errors import Invalid
from voiceops.core.public_addresses import PublicResolver, public_socket
from voiceops.core.safe_http import HttpResult, post, require_safe_url
from webhooks.delivery import record_answer, send_delivery
from webhooks.models import WebhookDelivery, WebhookEndpoint
from webhooks.retry_schedule import (
    MAX_DELIVERY_ATTEMPTS,
    RETRY_DELAYS_SECONDS,
    RETRY_JITTER,
    next_attempt_at,
)
from webhooks.services import create_endpoint, rotate_secret, send_test
from worker.periodic.webhook_delivery import WebhookDeliverer

INSTANT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def attempt(
    delivery: WebhookDelivery, *, now: datetime | None = None, answer: HttpResult | None = None
) -> WebhookDelivery:
    """Make one attempt, from the claim to the recorded answer. Returns the delivery after it."""
    now = now or timezone.now()
    assert delivery.claim(now)
    answer = answer or send_delivery(delivery=delivery, now=now)
    record_answer(delivery=delivery, answer=answer, now=now, duration_ms=1)
    return WebhookDelivery.unscoped.select_related("endpoint", "event").get(pk=delivery.pk)


@pytest.fixture
def endpoint(ours: Workspace, receiver: Receiver) -> tuple[WebhookEndpoint, str]:
    return create_endpoint(workspace=ours, url=receiver.url)


def test_delivery_verifies_with_the_reference_library(
    endpoint: tuple[WebhookEndpoint, str], receiver: Receiver
) -> None:
    delivery = send_test(endpoint=endpoint[0], now=timezone.now())

    after = attempt(delivery)

    headers, body = receiver.requests[0]
    payload = Webhook(endpoint[1]).verify(body, headers)
    assert payload == json.loads(body)
    assert (payload["type"], payload["data"]["webhook_id"]) == ("webhook.test", str(endpoint[0].pk))
    assert headers["webhook-id"] == f"msg_{delivery.event_id.hex}"
    assert (after.status, after.attempts, after.response_status, after.error) == (
        "delivered",
        1,
        204,
        None,
    )


def test_replaced_secret_still_signs_for_a_day(
    endpoint: tuple[WebhookEndpoint, str], receiver: Receiver
) -> None:
    hook, old = endpoint
    new = rotate_secret(endpoint=hook, now=timezone.now())

    attempt(send_test(endpoint=hook, now=timezone.now()))
    hook.previous_secret_until = timezone.now()
    hook.save(update_fields=["previous_secret_until"])
    attempt(send_test(endpoint=hook, now=timezone.now()))

    (first, body), (second, late) = receiver.requests
    for secret in (old, new):
        Webhook(secret).verify(body, first)
    Webhook(new).verify(late, second)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(late, second)


def test_retry_carries_the_same_id_and_body(
    endpoint: tuple[WebhookEndpoint, str], receiver: Receiver
) -> None:
    receiver.answers = [500, 302, 200]

    first = attempt(send_test(endpoint=endpoint[0], now=timezone.now()))
    second = attempt(first, now=first.due_at)
    third = attempt(second, now=second.due_at)

    attempts = [(headers["webhook-id"], body) for headers, body in receiver.requests]
    assert [(d.status, d.response_status, d.error) for d in (first, second, third)] == [
        ("pending", 500, "answered 500"),
        ("pending", 302, "answered 302"),
        ("delivered", 200, None),
    ]
    assert len(attempts) == 3
    assert len(set(attempts)) == 1


def test_retry_after_delays_the_next_attempt(
    endpoint: tuple[WebhookEndpoint, str], receiver: Receiver
) -> None:
    receiver.answers, receiver.headers = [429], {"Retry-After": "900"}
    now = timezone.now()

    after = attempt(send_test(endpoint=endpoint[0], now=now), now=now)

    assert after.due_at == now + timedelta(seconds=900)


def test_delivery_fails_after_the_last_attempt(ours: Workspace) -> None:
    delivery = make.delivery(make.webhook(ours), attempts=MAX_DELIVERY_ATTEMPTS - 1)

    after = attempt(delivery, answer=HttpResult(500, "answered 500"))

    assert (after.status, after.attempts) == ("failed", MAX_DELIVERY_ATTEMPTS)


def test_retry_schedule_lasts_three_days() -> None:
    delays = []
    for attempts in range(1, MAX_DELIVERY_ATTEMPTS):
        due_at = next_attempt_at(attempts=attempts, now=INSTANT)
        assert due_at is not None
        delays.append((due_at - INSTANT).total_seconds())

    assert all(
        abs(actual - delay) <= delay * RETRY_JITTER
        for actual, delay in zip(delays, RETRY_DELAYS_SECONDS, strict=True)
    )
    assert sum(RETRY_DELAYS_SECONDS) * (1 - RETRY_JITTER) >= timedelta(hours=72).total_seconds()
    assert next_attempt_at(attempts=MAX_DELIVERY_ATTEMPTS, now=INSTANT) is None


def test_two_workers_do_not_claim_the_same_delivery(ours: Workspace) -> None:
    delivery = make.delivery(make.webhook(ours))
    other = WebhookDelivery.unscoped.get(pk=delivery.pk)
    now = timezone.now()

    claims = [delivery.claim(now), other.claim(now)]

    assert claims == [True, False]
    assert WebhookDelivery.unscoped.get().due_at == now + WebhookDelivery.LEASE


def test_attempt_whose_lease_was_lost_changes_nothing(ours: Workspace) -> None:
    delivery = make.delivery(make.webhook(ours))
    delivery.claim(timezone.now())
    WebhookDelivery.unscoped.update(status="pending", due_at=INSTANT, attempts=0)

    record_answer(delivery=delivery, answer=HttpResult(200), now=timezone.now(), duration_ms=1)

    after = WebhookDelivery.unscoped.get()
    assert (after.status, after.due_at, after.attempts) == ("pending", INSTANT, 0)


@pytest.mark.parametrize(
    ("status", "failing_for", "reason"),
    [
        (410, timedelta(), "The receiver answered 410 Gone"),
        (500, timedelta(days=5), "Nothing arrived for five days"),
        (500, timedelta(days=4, hours=23), None),
    ],
)
def test_failing_endpoint_is_disabled_and_admins_are_notified(
    ours: Workspace,
    status: int,
    failing_for: timedelta,
    reason: str | None,
    django_capture_on_commit_callbacks: Any,
) -> None:
    admin = make.member(ours, Role.ADMIN)
    make.member(ours, Role.MANAGER)
    endpoint = make.webhook(
        ours, failing_since=timezone.now() - failing_for if failing_for else None
    )

    with django_capture_on_commit_callbacks(execute=True):
        attempt(make.delivery(endpoint), answer=HttpResult(status, f"answered {status}"))

    endpoint.refresh_from_db()
    assert (endpoint.is_enabled, endpoint.disabled_reason) == (reason is None, reason)
    email_delivery.wait_until_sent()
    assert [message.to for message in mail.outbox] == ([[admin.email]] if reason else [])
    assert AuditEntry.unscoped.filter(action="webhook.disabled").exists() is (reason is not None)


def test_successful_attempt_ends_a_run_of_failures(ours: Workspace) -> None:
    endpoint = make.webhook(ours, failing_since=timezone.now() - timedelta(days=3))

    attempt(make.delivery(endpoint), answer=HttpResult(200))

    endpoint.refresh_from_db()
    assert endpoint.failing_since is None


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.1"],
        ["93.184.215.14", "127.0.0.1"],
        ["169.254.169.254"],
        ["64:ff9b::7f00:1"],
        ["::ffff:7f00:1"],
    ],
)
async def test_name_with_a_private_address_is_not_connected_to(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)

    with pytest.raises(OSError, match=r"^could not be reached$"):
        await PublicResolver().resolve("rebinding.example.com", 443)


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost/hook",
        "https://0x7f.1/hook",
        "https://[::1]/hook",
        "http://127.0.0.1:1/hook",
    ],
)
def test_private_and_dead_hosts_give_the_same_error(url: str) -> None:
    assert post(url, body="{}", headers={}) == HttpResult(None, "could not be reached")


def test_closed_port_and_forbidden_address_give_the_same_error(settings: Settings) -> None:
    settings.DEBUG = True

    assert post("http://127.0.0.1:1/hook", body="{}", headers={}) == HttpResult(
        None, "could not be reached"
    )


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "\uff11\uff12\uff17.0.0.1",
        "127\u30020\u30020\u30021",
        "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
        "[::127.0.0.1]",
        "[64:ff9b:1::7f00:1]",
        "[fe80::1%25eth0]",
    ],
)
def test_no_spelling_of_an_address_reaches_a_private_network(host: str) -> None:
    with pytest.raises(Invalid, match=r"^Webhook URL must be public$"):
        require_safe_url(f"https://{host}/hook")


def test_address_is_checked_again_when_the_connection_is_made() -> None:
    with pytest.raises(OSError, match=r"^could not be reached$"):
        public_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 443)))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("Mon, 23 Nov 2026 12:01:40 GMT", 100), ("soon", None), ("²", None)],
)
def test_retry_after_is_in_seconds_or_a_date(header: str, seconds: float | None) -> None:
    with time_machine.travel(INSTANT, tick=False):
        assert safe_http._retry_after_seconds(header) == seconds


@pytest.fixture
def silent(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A receiver that accepts the connection and never answers."""
    settings.DEBUG = True
    monkeypatch.setattr(safe_http, "TIMEOUT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/hook"


def test_silent_receiver_times_out(silent: str) -> None:
    assert post(silent, body="{}", headers={}) == HttpResult(None, "could not be reached")


@pytest.mark.django_db(transaction=True)
def test_deliveries_continue_when_events_cannot_be_collected(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> int:
        raise KeyError("a surprise")

    endpoint, _ = create_endpoint(workspace=make.workspace(), url=receiver.url)
    make.delivery(endpoint)
    monkeypatch.setattr("worker.periodic.webhook_delivery.collect_events", fails)
    deliverer = WebhookDeliverer()

    deliverer.run_once()
    deliverer.pool.shutdown(wait=True)

    assert len(receiver.requests) == 1


@pytest.mark.django_db(transaction=True)
def test_deliveries_that_are_due_are_sent_and_others_are_not(receiver: Receiver) -> None:
    workspace = make.workspace()
    endpoint, _ = create_endpoint(workspace=workspace, url=receiver.url)
    for _ in range(6):
        make.delivery(endpoint)
    make.delivery(endpoint, due_at=timezone.now() + timedelta(hours=1))
    make.delivery(make.webhook(workspace, url=receiver.url, is_enabled=False))
    deliverer = WebhookDeliverer()

    started = deliverer.start_deliveries()
    deliverer.pool.shutdown(wait=True)
    left = deliverer.start_deliveries()

    statuses = WebhookDelivery.unscoped.order_by("pk").values_list("status", flat=True)
    assert (started, left) == (4, 0)
    assert len(receiver.requests) == 6
    assert list(statuses) == ["delivered"] * 6 + ["pending"] * 2
