"""What strangers can make the server keep or send is bounded, on every public route."""

from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core import mail
from django.core.cache import cache
from django.test import Client
from drf_spectacular.renderers import OpenApiJsonRenderer2

from accounts.models import Workspace
from accounts.services import email_delivery
from ops.checking import health
from tests import make
from tests.architecture.test_routes import PUBLIC
from voiceops.api import description
from voiceops.core.ids import uuid7

REQUESTS = 100
MAX_RATIO = 10
# What is sent: a body that gets as far as a stranger's can.
BODIES: dict[str, dict[str, Any]] = {
    "/auth/login": {"email": "nobody@example.com", "password": "wrong-password-1"},
    "/auth/password/reset": {"email": "known@example.com"},
    "/auth/refresh": {"refresh_token": "no-such-token"},
    "/auth/password/reset/confirm": {"token": "no-such-token", "password": "a-new-password-17"},
    "/auth/invitations/accept": {"token": "no-such-token", "password": "a-new-password-17"},
}


@pytest.fixture
def known(ours: Workspace) -> None:
    make.user(email="known@example.com")


def send(route: str, at: int) -> int:
    """One request with a query, headers and cookies that no other has."""
    client = Client(
        raise_request_exception=False,
        headers={
            "Idempotency-Key": f"key-{at}",
            "X-Request-ID": f"request-{at:08}",
            "Accept": f"application/json;v={at}",
            "Accept-Language": f"x-{at}",
            "X-Forwarded-For": f"192.0.2.{at % 250}",
            "User-Agent": f"client {at}",
        },
    )
    client.cookies.load({"sessionid": f"session-{at}", "refresh_token": f"token-{at}"})
    path = f"{route.format(pk=uuid7(), token=f'token-{at}')}?x={at}"
    if route.startswith("/auth/"):
        return client.post(path, BODIES.get(route, {}), content_type="application/json").status_code
    if route in ("/livekit/webhook", "/voice-workers/report", "/calls/{pk}/report"):
        return client.post(path, {"at": at}, content_type="application/json").status_code
    return client.get(path).status_code


def kept() -> dict[str, int]:
    """What the requests so far have left behind: rows, files, entries of the cache, e-mails."""
    email_delivery.wait_until_sent()
    return {
        "rows": sum(model._base_manager.count() for model in apps.get_models()),
        "files": sum(1 for path in Path(settings.DATA_DIR).rglob("*") if path.is_file()),
        "entries": len(getattr(cache, "_cache", {})),
        "mails": len(mail.outbox),
    }


def count_calls(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[str]:
    """Replaces a function by one that also adds its name to the list that is returned."""
    calls: list[str] = []
    original = getattr(owner, name)

    def call(*arguments: Any, **named: Any) -> Any:
        calls.append(name)
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, call)
    return calls


@pytest.mark.parametrize("route", sorted(PUBLIC))
def test_a_hundred_strangers_leave_no_more_behind_than_ten(route: str, known: None) -> None:
    before = kept()
    first = send(route, 0)
    one = kept()

    statuses = {send(route, at) for at in range(1, REQUESTS)}

    assert statuses <= {first, 503, 429}
    left = {name: count - before[name] for name, count in kept().items()}
    allowed = {name: MAX_RATIO * max(one[name] - before[name], 1) for name in before}
    assert {name: count for name, count in left.items() if count > allowed[name]} == {}


def test_the_description_is_rendered_once_whatever_the_query(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rendered = count_calls(monkeypatch, OpenApiJsonRenderer2, "render")
    description._render_once.cache_clear()

    answers = {Client().get(f"/openapi.json?x={at}").content for at in range(20)}

    assert (len(answers), len(rendered)) == (1, 1)


def test_a_client_that_has_the_description_gets_304() -> None:
    first = Client().get("/openapi.json")

    again = Client(headers={"If-None-Match": first["ETag"]}).get("/openapi.json?format=yaml")
    other = Client(headers={"If-None-Match": '"another"'}).get("/openapi.json")

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert again["Cache-Control"] == first["Cache-Control"] == "max-age=600"
    assert "Accept-Encoding" in again["Vary"]
    assert (other.status_code, other.content) == (200, first.content)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "name"), [("/metrics", "render_metrics"), ("/readyz", "is_reachable")]
)
def test_probes_within_a_second_share_one_answer(
    path: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = count_calls(monkeypatch, health, name)
    monkeypatch.setattr(health.probe_all, "_seconds", 60)
    monkeypatch.setattr(health.collect_metrics, "_seconds", 60)

    for at in range(20):
        Client().get(f"{path}?x={at}")

    assert len(computed) <= len(health.PROBES)
