import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from accounts.api.throttles import Limit
from accounts.models import Workspace
from tests import make


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What `THROTTLE_RATES=caller=3/min,login=2/min` gives; REST framework reads the setting once,
    at import.
    """
    monkeypatch.setattr(Limit, "THROTTLE_RATES", {"caller": "3/min", "login": "2/min"})
    cache.clear()
    yield
    cache.clear()


def test_nothing_is_limited_by_default(ours: Workspace) -> None:
    client = make.client(ours)

    assert {client.get("/api-keys").status_code for _ in range(30)} == {200}


def test_answers_say_nothing_of_limits_that_are_off(ours: Workspace) -> None:
    answers = [make.client(ours).get("/api-keys"), APIClient().get("/api-keys")]

    assert not [
        name for answer in answers for name in answer.headers if "ratelimit" in name.lower()
    ]


def standing(answer: Any) -> tuple[int, int]:
    """What an answer says of its limit; it resets within a minute."""
    assert 0 <= int(answer["X-RateLimit-Reset"]) - time.time() <= 61
    return int(answer["X-RateLimit-Limit"]), int(answer["X-RateLimit-Remaining"])


def test_answers_say_how_much_of_a_limit_is_left(ours: Workspace, limits: None) -> None:
    client = make.client(ours)

    answers = [client.get("/api-keys"), client.get("/agents/none"), client.get("/api-keys")]
    over = client.get("/api-keys")

    assert [answer.status_code for answer in (*answers, over)] == [200, 404, 200, 429]
    assert [standing(answer) for answer in (*answers, over)] == [(3, 2), (3, 1), (3, 0), (3, 0)]
    assert int(over["X-RateLimit-Reset"]) == pytest.approx(
        time.time() + int(over["Retry-After"]), abs=2
    )


@pytest.mark.django_db
def test_headers_carry_the_tightest_of_several_limits(limits: None) -> None:
    body = {"email": "nobody@example.com", "password": "wrong"}

    answers = [APIClient().post("/auth/login", body) for _ in range(2)]

    assert [standing(answer) for answer in answers] == [(2, 1), (2, 0)]


def test_principals_may_be_limited(ours: Workspace, limits: None) -> None:
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


def test_requests_with_and_without_credentials_have_separate_limits(
    ours: Workspace, limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Limit, "THROTTLE_RATES", {"user": "1/min", "anon": "2/min"})
    client, stranger = make.client(ours), APIClient()

    with_key = [client.get("/api-keys").status_code for _ in range(2)]
    without = [stranger.post("/auth/login", {}).status_code for _ in range(3)]

    assert (with_key, without) == ([200, 429], [422, 422, 429])


def test_a_workspace_may_be_limited_as_a_whole(
    ours: Workspace, theirs: Workspace, limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Limit, "THROTTLE_RATES", {"workspace": "1/h"})

    statuses = [make.client(of).get("/api-keys").status_code for of in (ours, ours, theirs)]

    assert statuses == [200, 429, 200]


@pytest.mark.django_db
def test_attempts_of_one_address_do_not_lock_the_owner_out(
    limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Limit, "THROTTLE_RATES", {"account": "5/15min"})
    body = {"email": make.user().email, "password": "wrong"}

    tries = [APIClient().post("/auth/login", body) for _ in range(5)]
    right = APIClient().post(
        "/auth/login", {**body, "email": body["email"].upper(), "password": make.PASSWORD}
    )
    elsewhere = APIClient(REMOTE_ADDR="192.0.2.1").post(
        "/auth/login", {**body, "password": make.PASSWORD}
    )
    another = APIClient().post("/auth/login", {**body, "email": "nobody@example.com"})
    forwarded = APIClient(headers={"X-Forwarded-For": "192.0.2.7"}).post("/auth/login", body)

    assert [answer.status_code for answer in tries] == [401] * 5
    assert (right.status_code, right.json()) == (429, {"detail": "Too many requests"})
    assert 0 < int(right["Retry-After"]) <= 900
    assert [a.status_code for a in (elsewhere, another, forwarded)] == [200, 401, 429]


@pytest.mark.django_db
def test_guesses_at_the_current_password_are_limited(
    limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Limit, "THROTTLE_RATES", {"account": "5/15min"})
    of = make.workspace()
    tokens = (
        APIClient()
        .post("/auth/login", {"email": make.member(of).email, "password": make.PASSWORD})
        .json()
    )
    client = APIClient(headers={"Authorization": f"Bearer {tokens['access_token']}"})
    body = {"current_password": "a wrong guess", "password": "another long password"}

    answers = [client.post("/auth/password/change", body).status_code for _ in range(6)]

    assert answers == [400] * 5 + [429]
