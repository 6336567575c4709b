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
from voiceops.core.safe_http import Answer, PublicResolver, check_url, post, public_socket
from webhooks.delivery import deliver, record_answer
from webhooks.models import WebhookDelivery, WebhookEndpoint
from webhooks.retry_schedule import DELAYS, JITTER, TRIES, next_try
from webhooks.services import create_endpoint, rotate_secret, send_test
from worker.periodic.webhook_delivery import DeliveryThread

INSTANT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def attempt(
    delivery: WebhookDelivery, *, now: datetime | None = None, answer: Answer | None = None
) -> WebhookDelivery:
    """One try from claim to note; what came of it."""
    now = now or timezone.now()
    assert delivery.claim(now)
    answer = answer or deliver(delivery=delivery, now=now)
    record_answer(delivery=delivery, answer=answer, now=now, duration_ms=1)
    return WebhookDelivery.unscoped.select_related("endpoint", "event").get(pk=delivery.pk)


@pytest.fixture
def endpoint(ours: Workspace, receiver: Receiver) -> tuple[WebhookEndpoint, str]:
    return create_endpoint(workspace=ours, url=receiver.url)


def test_what_arrives_verifies_with_the_reference_library(
    endpoint: tuple[WebhookEndpoint, str], receiver: Receiver
) -> None:
    delivery = send_test(endpoint=endpoint[0], now=timezone.now())

    after = attempt(delivery)

    headers, body = receiver.got[0]
    told = Webhook(endpoint[1]).verify(body, headers)
    assert told == json.loads(body)
    assert (told["type"], told["data"]["webhook_id"]) == ("webhook.test", str(endpoint[0].pk))
    assert headers["webhook-id"] == f"msg_{delivery.event_id.hex}"
    assert (after.status, after.attempts, after.response_status, after.error) == (
        "delivered",
        1,
        204,
        None,
    )


def test_a_secret_that_was_replaced_verifies_for_another_day(
    endpoint: tuple[WebhookEndpoint, str], receiver: Receiver
) -> None:
    hook, old = endpoint
    new = rotate_secret(endpoint=hook, now=timezone.now())

    attempt(send_test(endpoint=hook, now=timezone.now()))
    hook.previous_secret_until = timezone.now()
    hook.save(update_fields=["previous_secret_until"])
    attempt(send_test(endpoint=hook, now=timezone.now()))

    (first, body), (second, late) = receiver.got
    for secret in (old, new):
        Webhook(secret).verify(body, first)
    Webhook(new).verify(late, second)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(late, second)


def test_a_retry_carries_the_same_id_and_body(
    endpoint: tuple[WebhookEndpoint, str], receiver: Receiver
) -> None:
    receiver.answers = [500, 302, 200]

    first = attempt(send_test(endpoint=endpoint[0], now=timezone.now()))
    second = attempt(first, now=first.due_at)
    third = attempt(second, now=second.due_at)

    tries = [(headers["webhook-id"], body) for headers, body in receiver.got]
    assert [(d.status, d.response_status, d.error) for d in (first, second, third)] == [
        ("pending", 500, "answered 500"),
        ("pending", 302, "answered 302"),
        ("delivered", 200, None),
    ]
    assert len(tries) == 3
    assert len(set(tries)) == 1


def test_a_receiver_may_ask_for_patience(
    endpoint: tuple[WebhookEndpoint, str], receiver: Receiver
) -> None:
    receiver.answers, receiver.headers = [429], {"Retry-After": "900"}
    now = timezone.now()

    after = attempt(send_test(endpoint=endpoint[0], now=now), now=now)

    assert after.due_at == now + timedelta(seconds=900)


def test_after_the_last_try_a_delivery_has_failed(ours: Workspace) -> None:
    delivery = make.delivery(make.webhook(ours), attempts=TRIES - 1)

    after = attempt(delivery, answer=Answer(500, "answered 500"))

    assert (after.status, after.attempts) == ("failed", TRIES)


def test_the_ladder_lasts_three_days() -> None:
    waits = []
    for attempts in range(1, TRIES):
        again = next_try(attempts=attempts, now=INSTANT)
        assert again is not None
        waits.append((again - INSTANT).total_seconds())

    assert all(
        abs(wait - delay) <= delay * JITTER for wait, delay in zip(waits, DELAYS, strict=True)
    )
    assert sum(DELAYS) * (1 - JITTER) >= timedelta(hours=72).total_seconds()
    assert next_try(attempts=TRIES, now=INSTANT) is None


def test_two_workers_do_not_take_the_same_delivery(ours: Workspace) -> None:
    delivery = make.delivery(make.webhook(ours))
    other = WebhookDelivery.unscoped.get(pk=delivery.pk)
    now = timezone.now()

    claims = [delivery.claim(now), other.claim(now)]

    assert claims == [True, False]
    assert WebhookDelivery.unscoped.get().due_at == now + WebhookDelivery.LEASE


def test_a_try_whose_lease_was_lost_notes_nothing(ours: Workspace) -> None:
    delivery = make.delivery(make.webhook(ours))
    delivery.claim(timezone.now())
    WebhookDelivery.unscoped.update(status="pending", due_at=INSTANT, attempts=0)

    record_answer(delivery=delivery, answer=Answer(200), now=timezone.now(), duration_ms=1)

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
def test_an_endpoint_that_is_gone_is_disabled_and_admins_are_told(
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
        attempt(make.delivery(endpoint), answer=Answer(status, f"answered {status}"))

    endpoint.refresh_from_db()
    assert (endpoint.is_enabled, endpoint.disabled_reason) == (reason is None, reason)
    email_delivery.wait_until_sent()
    assert [message.to for message in mail.outbox] == ([[admin.email]] if reason else [])
    assert AuditEntry.unscoped.filter(action="webhook.disabled").exists() is (reason is not None)


def test_one_arrival_ends_a_row_of_failures(ours: Workspace) -> None:
    endpoint = make.webhook(ours, failing_since=timezone.now() - timedelta(days=3))

    attempt(make.delivery(endpoint), answer=Answer(200))

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
async def test_a_name_with_an_address_that_is_not_public_is_not_dialled(
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
def test_our_own_network_and_a_dead_host_answer_alike(url: str) -> None:
    assert post(url, body="{}", headers={}) == Answer(None, "could not be reached")


def test_a_closed_port_answers_no_differently_from_a_forbidden_address(settings: Settings) -> None:
    settings.DEBUG = True

    assert post("http://127.0.0.1:1/hook", body="{}", headers={}) == Answer(
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
def test_no_spelling_of_an_address_leads_into_our_own_network(host: str) -> None:
    with pytest.raises(Invalid, match=r"^Webhook URL must be public$"):
        check_url(f"https://{host}/hook")


def test_the_address_is_judged_once_more_where_the_connection_is_made() -> None:
    with pytest.raises(OSError, match=r"^could not be reached$"):
        public_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 443)))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120), ("Mon, 23 Nov 2026 12:01:40 GMT", 100), ("soon", None), ("²", None)],
)
def test_patience_is_asked_for_in_seconds_or_until_a_date(
    header: str, seconds: float | None
) -> None:
    with time_machine.travel(INSTANT, tick=False):
        assert safe_http._seconds(header) == seconds


@pytest.fixture
def silent(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A receiver that takes the connection and says nothing."""
    settings.DEBUG = True
    monkeypatch.setattr(safe_http, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/hook"


def test_a_silent_receiver_is_given_up(silent: str) -> None:
    assert post(silent, body="{}", headers={}) == Answer(None, "could not be reached")


@pytest.mark.django_db(transaction=True)
def test_the_postman_carries_on_when_news_cannot_be_collected(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> int:
        raise KeyError("a surprise")

    endpoint, _ = create_endpoint(workspace=make.workspace(), url=receiver.url)
    make.delivery(endpoint)
    monkeypatch.setattr("worker.periodic.webhook_delivery.collect_events", fails)
    postman = DeliveryThread()

    postman.run_once()
    postman.pool.shutdown(wait=True)

    assert len(receiver.got) == 1


@pytest.mark.django_db(transaction=True)
def test_the_postman_carries_what_is_due_and_leaves_the_rest(receiver: Receiver) -> None:
    workspace = make.workspace()
    endpoint, _ = create_endpoint(workspace=workspace, url=receiver.url)
    for _ in range(6):
        make.delivery(endpoint)
    make.delivery(endpoint, due_at=timezone.now() + timedelta(hours=1))
    make.delivery(make.webhook(workspace, url=receiver.url, is_enabled=False))
    postman = DeliveryThread()

    carriers = postman.dispatch()
    postman.pool.shutdown(wait=True)
    left = postman.dispatch()

    statuses = WebhookDelivery.unscoped.order_by("pk").values_list("status", flat=True)
    assert (carriers, left) == (4, 0)
    assert len(receiver.got) == 6
    assert list(statuses) == ["delivered"] * 6 + ["pending"] * 2
