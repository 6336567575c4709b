from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Workspace
from accounts.throttles import Limit
from tests import make


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What `THROTTLE_RATES=caller=3/min,login=2/min` gives; REST framework reads the setting once, at import."""
    monkeypatch.setattr(Limit, "THROTTLE_RATES", {"caller": "3/min", "login": "2/min"})
    cache.clear()
    yield
    cache.clear()


def test_nothing_is_limited_by_default(ours: Workspace) -> None:
    client = make.client(ours)

    assert {client.get("/api-keys").status_code for _ in range(30)} == {200}


def test_an_operator_may_limit_callers(ours: Workspace, limits: None) -> None:
    client = make.client(ours)

    statuses = [client.get("/api-keys").status_code for _ in range(3)]
    over = client.get("/api-keys")

    assert statuses == [200, 200, 200]
    assert (over.status_code, over.json()) == (429, {"detail": "Too many requests"})
    assert 0 < int(over["Retry-After"]) <= 60
    assert make.client(ours).get("/api-keys").status_code == 200


@pytest.mark.django_db
def test_logins_are_limited_by_address(limits: None) -> None:
    body = {"email": "nobody@example.com", "password": "wrong"}

    statuses = [APIClient().post("/auth/login", body).status_code for _ in range(3)]

    assert statuses == [401, 401, 429]
    assert APIClient(REMOTE_ADDR="192.0.2.1").post("/auth/login", body).status_code == 401


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/auth/me"])
def test_every_answer_forbids_what_it_does_not_need(path: str) -> None:
    response = Client().get(path)

    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Content-Security-Policy"].endswith("default-src 'none'")
