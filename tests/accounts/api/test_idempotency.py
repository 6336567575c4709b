from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import ApiKey, IdempotentRequest, User, Workspace
from accounts.roles import Role
from accounts.services import api_keys, retention
from tests import make

BODY = {"name": "Robot", "role": "member"}
KEY = {"Idempotency-Key": "one"}
REUSED = {"detail": "Idempotency key reused with a different request"}
IN_PROGRESS = {"detail": "Request in progress"}


def test_a_repeated_request_is_replayed(ours: Workspace) -> None:
    client = make.client(ours)

    first = client.post("/api-keys", BODY, headers=KEY)
    again = client.post("/api-keys", BODY, headers=KEY)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again["Content-Type"] == "application/json"
    assert (first.get("Idempotent-Replay"), again["Idempotent-Replay"]) == (None, "true")
    assert ours.api_keys.filter(name="Robot").count() == 1


def test_another_body_or_query_is_a_conflict(ours: Workspace) -> None:
    client = make.client(ours)
    client.post("/api-keys", BODY, headers=KEY)

    other_body = client.post("/api-keys", {**BODY, "name": "Other"}, headers=KEY)
    other_query = client.post("/api-keys?x=1", BODY, headers=KEY)

    assert (other_body.status_code, other_body.json()) == (409, REUSED)
    assert (other_query.status_code, other_query.json()) == (409, REUSED)


def test_a_trailing_slash_is_the_same_request(ours: Workspace) -> None:
    client = make.client(ours)

    first = client.post("/api-keys", BODY, headers=KEY)
    again = client.post("/api-keys/", BODY, headers=KEY)

    assert (again.content, again["Idempotent-Replay"]) == (first.content, "true")


def test_a_key_holds_for_one_path_in_one_workspace(ours: Workspace) -> None:
    client = make.bearer(make.member(ours, Role.ADMIN))
    agent = make.agent(ours)

    made = client.post("/workspaces", {"name": "Another"}, headers=KEY)
    there = {**KEY, "X-Workspace-ID": made.json()["id"]}
    answers = [
        client.post("/api-keys", BODY, headers=KEY),
        client.post("/api-keys", BODY, headers=there),
        client.post(f"/agents/{agent.pk}/publish", headers=KEY),
        client.post(f"/agents/{agent.pk}/duplicate", headers=KEY),
    ]

    assert [answer.status_code for answer in answers] == [201, 201, 200, 201]
    assert not any("Idempotent-Replay" in answer for answer in answers)


def test_keys_of_different_principals_are_independent(ours: Workspace, theirs: Workspace) -> None:
    answers = [make.client(of).post("/api-keys", BODY, headers=KEY) for of in (ours, ours, theirs)]

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert ApiKey.unscoped.filter(name="Robot").count() == 3


def test_a_request_still_running_is_a_conflict(ours: Workspace) -> None:
    client = make.client(ours)
    client.post("/api-keys", BODY, headers=KEY)
    IdempotentRequest.objects.update(answer=None)

    response = client.post("/api-keys", BODY, headers=KEY)

    assert (response.status_code, response.json()) == (409, IN_PROGRESS)


def test_a_refused_request_may_reuse_its_key(ours: Workspace) -> None:
    client = make.client(ours)

    refused = client.post("/api-keys", {**BODY, "role": "king"}, headers=KEY)
    corrected = client.post("/api-keys", BODY, headers=KEY)

    assert (refused.status_code, corrected.status_code) == (422, 201)


def test_a_crash_is_replayed(ours: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(**kwargs: object) -> None:
        raise RuntimeError

    client = make.client(ours)
    client.raise_request_exception = False
    with monkeypatch.context() as patch:
        patch.setattr(api_keys, "create_api_key", crash)
        crashed = client.post("/api-keys", BODY, headers=KEY)

    again = client.post("/api-keys", BODY, headers=KEY)

    assert (crashed.status_code, again.status_code) == (500, 500)
    assert crashed.json() == again.json() == {"detail": "Internal server error"}


def test_a_key_expires_after_a_day(ours: Workspace) -> None:
    client = make.client(ours)
    client.post("/api-keys", BODY, headers=KEY)
    IdempotentRequest.objects.update(created_at=timezone.now() - timedelta(hours=25))

    response = client.post("/api-keys", {**BODY, "name": "Other"}, headers=KEY)

    assert response.status_code == 201
    assert retention.prune(now=timezone.now() + timedelta(hours=25))["idempotency keys"] == 1


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_malformed_key_is_refused(ours: Workspace, key: str) -> None:
    response = make.client(ours).post("/api-keys", BODY, headers={"Idempotency-Key": key})

    message = "Idempotency-Key must have 1 to 255 printable characters"
    assert (response.status_code, response.json()) == (400, {"detail": message})


@pytest.mark.django_db
def test_a_replayed_registration_sets_its_cookies() -> None:
    body = {"email": "ada@example.com", "password": make.PASSWORD}
    first, second = APIClient(), APIClient()

    first.post("/auth/register", body, headers=KEY)
    second.post("/auth/register", body, headers=KEY)

    assert User.objects.count() == 1
    assert second.cookies["access_token"].output() == first.cookies["access_token"].output()
    assert second.get("/auth/me").status_code == 200


@pytest.mark.django_db
def test_a_client_with_cookies_registers_once() -> None:
    body = {"email": "ada@example.com", "password": make.PASSWORD}
    client = APIClient()

    first = client.post("/auth/register", body, headers=KEY)
    again = client.post("/auth/register", body, headers=KEY)

    assert (again.status_code, again.content) == (201, first.content)
    assert again["Idempotent-Replay"] == "true"


@pytest.mark.django_db
def test_users_behind_one_address_log_out_with_one_key(ours: Workspace) -> None:
    ann, ben, cat = (
        make.bearer(make.member(ours)),
        make.bearer(make.member(ours)),
        make.browser(make.member(ours)),
    )

    answers = [client.post("/auth/logout", headers=KEY) for client in (ann, ann, ben, cat)]

    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (200, {"detail": "Logged out"})
    ] * 4
    assert [answer.get("Idempotent-Replay") for answer in answers] == [None, "true", None, None]
    assert [client.get("/auth/me").status_code for client in (ann, ben, cat)] == [401, 401, 401]


def test_a_stored_response_is_encrypted(ours: Workspace) -> None:
    key = make.client(ours).post("/api-keys", BODY, headers=KEY).json()["key"]

    stored = IdempotentRequest.objects.get().answer

    assert stored
    assert key not in stored


@pytest.mark.django_db(transaction=True)
def test_one_of_eight_parallel_requests_does_the_work() -> None:
    ours = make.workspace()
    key = make.api_key(ours, Role.ADMIN)[1]
    start = Barrier(8)

    def send(_: int) -> tuple[int, object]:
        start.wait(timeout=10)
        try:
            response = APIClient(headers={"X-API-Key": key, **KEY}).post("/api-keys", BODY)
            return response.status_code, response.json()
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))

    made = [body for status, body in answers if status == 201]
    assert ours.api_keys.filter(name="Robot").count() == 1
    assert made
    assert all(body == made[0] for body in made)
    assert all(body == IN_PROGRESS for status, body in answers if status != 201)
