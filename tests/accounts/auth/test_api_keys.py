import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.auth import api_keys
from accounts.models import ApiKey, AuditEntry, User, Workspace
from accounts.roles import Role
from tests import make

INVALID = (401, {"detail": "Invalid API key"})


def answer(key: str, **headers: str) -> tuple[int, Any]:
    response = APIClient(headers=headers or {"X-API-Key": key}).get("/api-keys")
    return response.status_code, response.json()


def mint(client: APIClient, role: str) -> str:
    return str(client.post("/api-keys", {"name": "Robot", "role": role}).json()["key"])


def test_a_key_is_returned_once_and_stored_as_a_hash(ours: Workspace) -> None:
    client = make.bearer(make.member(ours, Role.ADMIN))

    response = client.post("/api-keys", {"name": "Robot", "role": "manager"})

    body, row = response.json(), ApiKey.unscoped.get()
    key = body.pop("key")
    assert re.fullmatch(r"vo_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}", key)
    assert (response.status_code, body) == (
        201,
        {
            "id": str(row.pk),
            "name": "Robot",
            "role": "manager",
            "prefix": key[:11],
            "allowed_addresses": [],
            "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
            "last_used_at": None,
            "expires_at": None,
        },
    )
    assert client.get("/api-keys").json()["items"] == [body]
    assert key[12:] not in str(list(ApiKey.unscoped.values())) + str(
        list(AuditEntry.unscoped.values())
    )


@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
def test_a_key_is_accepted_in_either_header(ours: Workspace, header: str) -> None:
    row, key = make.api_key(ours)

    status, body = answer(key, **{header: key if header == "X-API-Key" else f"Bearer {key}"})

    assert (status, body["items"][0]["id"]) == (200, str(row.pk))


def test_a_key_acts_in_its_own_workspace_and_role(ours: Workspace, theirs: Workspace) -> None:
    client = make.client(ours, Role.MANAGER)

    assert client.get("/api-keys").json() == {"detail": "Admin access required"}
    assert client.patch("/auth/me", {}).json() == {"detail": "Insufficient permissions"}
    assert client.get(f"/workspaces/{theirs.pk}").json() == {"detail": "Workspace not found"}


def test_a_key_may_read_its_own_account(ours: Workspace) -> None:
    row, key = make.api_key(ours, Role.MANAGER, name="Robot")

    response = APIClient(headers={"X-API-Key": key}).get("/auth/me")

    assert (response.status_code, response.json()) == (
        200,
        {
            "id": str(row.pk),
            "email": None,
            "name": "Robot",
            "default_workspace_id": str(ours.pk),
            "workspaces": [{"id": str(ours.pk), "name": ours.name, "role": "manager"}],
        },
    )


@pytest.mark.parametrize(
    ("method", "body", "statuses"),
    [
        ("delete", None, [401, 401, 401]),
        ("patch", {"role": "manager"}, [401, 200, 401]),
        ("patch", {"role": "admin"}, [200, 200, 200]),
    ],
)
def test_keys_are_revoked_when_their_creator_loses_the_role(
    ours: Workspace, method: str, body: dict[str, str] | None, statuses: list[int]
) -> None:
    admin, user = make.client(ours), make.member(ours, Role.ADMIN)
    strong, weak = (mint(make.bearer(user), role) for role in ("admin", "member"))
    handed_on = mint(APIClient(headers={"X-API-Key": strong}), "admin")
    make.member(ours, Role.ADMIN)

    getattr(admin, method)(f"/workspaces/{ours.pk}/members/{user.pk}", body)

    answers = [
        APIClient(headers={"X-API-Key": key}).get("/agents") for key in (strong, weak, handed_on)
    ]
    assert [response.status_code for response in answers] == statuses
    revoked = AuditEntry.unscoped.filter(workspace=ours, action="api_key.revoked").count()
    assert (revoked, admin.get("/api-keys").status_code) == (statuses.count(401), 200)


@pytest.mark.parametrize(
    "end", [lambda user: user.delete(), lambda user: user.update(is_active=False)]
)
def test_keys_of_a_deleted_or_disabled_user_are_refused(ours: Workspace, end: Any) -> None:
    user = make.member(ours, Role.ADMIN)
    key = mint(make.bearer(user), "admin")

    end(User.objects.filter(pk=user.pk))

    assert answer(key) == INVALID


def test_a_malformed_key_costs_no_query(django_assert_num_queries: Any, db: None) -> None:
    key = api_keys.generate_key().key
    typo = key[:-1] + ("a" if key[-1] != "a" else "b")

    with django_assert_num_queries(0):
        answers = [answer(wrong) for wrong in (typo, "vo_", "", "x" * 5000, key + "\n", "vo_é")]

    assert answers == [INVALID] * 6


def test_unknown_revoked_and_expired_keys_get_the_same_response(ours: Workspace) -> None:
    now = timezone.now()
    revoked = make.api_key(ours, revoked_at=now)[1]
    expired = make.api_key(ours, expires_at=now - timedelta(seconds=1))[1]
    row, key = make.api_key(ours)
    impostor = api_keys.generate_key()
    ApiKey.unscoped.filter(pk=row.pk).update(prefix=impostor.prefix)

    assert [
        answer(k) for k in (api_keys.generate_key().key, revoked, expired, impostor.key, key)
    ] == [INVALID] * 5


def test_a_deleted_key_is_refused_at_once(ours: Workspace) -> None:
    row, key = make.api_key(ours)
    client = make.client(ours)

    deleted = client.delete(f"/api-keys/{row.pk}")
    again = client.delete(f"/api-keys/{row.pk}")

    assert (deleted.status_code, deleted.json()) == (200, {"detail": "Deleted"})
    assert (again.status_code, again.json()) == (404, {"detail": "API key not found"})
    assert answer(key) == INVALID
    assert AuditEntry.unscoped.get().action == "api_key.revoked"


def test_last_use_is_written_once_a_minute(ours: Workspace, django_assert_num_queries: Any) -> None:
    row, key = make.api_key(ours)

    answer(key)
    row.refresh_from_db()
    first = row.last_used_at
    with django_assert_num_queries(2):  # key, page with its total
        answer(key)
    ApiKey.unscoped.filter(pk=row.pk).update(last_used_at=timezone.now() - timedelta(seconds=61))
    answer(key)
    row.refresh_from_db()

    assert first
    assert row.last_used_at
    assert row.last_used_at > first


def test_a_key_in_the_url_is_not_a_credential(ours: Workspace) -> None:
    response = APIClient().get(f"/api-keys?api_key={make.api_key(ours)[1]}")

    assert (response.status_code, response.json()) == (401, {"detail": "Invalid or missing token"})


def test_no_secret_reaches_a_log(ours: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = make.api_key(ours)[1]
    user = make.member(ours, Role.ADMIN)
    client = APIClient(headers={"X-API-Key": key})
    tokens = (
        APIClient().post("/auth/login", {"email": user.email, "password": make.PASSWORD}).json()
    )

    for path in ("/api-keys", "/nowhere", "/workspaces/x"):
        client.post(path, {"name": "Robot", "role": "king"})
    APIClient().post("/auth/refresh", {"refresh_token": tokens["refresh_token"] + "x"})
    APIClient(headers={"Authorization": f"Bearer {tokens['access_token']}x"}).get("/auth/me")

    statements = [r.getMessage() for r in caplog.records if r.name != "django.db.backends"]
    secrets = (key, tokens["refresh_token"], tokens["access_token"], make.PASSWORD, user.email)
    assert statements
    assert not [line for line in statements for secret in secrets if secret in line]


@pytest.mark.parametrize(
    ("peer", "status"),
    [
        ("203.0.113.9", 200),
        ("::ffff:203.0.113.9", 200),  # as a server that listens on [::] sees it
        ("2001:db8::7", 200),
        ("203.0.114.9", 401),
        ("2001:db9::7", 401),
        ("", 401),
    ],
)
def test_a_key_is_accepted_from_its_addresses_only(ours: Workspace, peer: str, status: int) -> None:
    body = {
        "name": "Robot",
        "role": "admin",
        "allowed_addresses": ["203.0.113.0/24", "2001:db8::/32"],
    }
    made = make.client(ours).post("/api-keys", body).json()

    response = APIClient(headers={"X-API-Key": made["key"]}, REMOTE_ADDR=peer).get("/api-keys")

    assert made["allowed_addresses"] == body["allowed_addresses"]
    assert response.status_code == status
    assert status == 200 or response.json() == {"detail": "Invalid API key"}
    assert (
        AuditEntry.unscoped.get(action="api_key.created").changes["allowed_addresses"]
        == body["allowed_addresses"]
    )


def test_only_a_trusted_proxy_may_forward_the_address_of_a_key(
    ours: Workspace, settings: Any
) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    _, key = make.api_key(ours, allowed_addresses=["203.0.113.9"])

    def status_from(peer: str) -> int:
        headers = {"X-API-Key": key, "X-Forwarded-For": "203.0.113.9"}
        return int(APIClient(headers=headers, REMOTE_ADDR=peer).get("/api-keys").status_code)

    assert (status_from("10.0.0.2"), status_from("198.51.100.1")) == (200, 401)


def test_a_malformed_address_is_refused(ours: Workspace) -> None:
    body = {
        "name": "Robot",
        "role": "admin",
        "allowed_addresses": ["203.0.113.0/24", "example.com"],
    }

    response = make.client(ours).post("/api-keys", body)

    wrong = {"loc": ["body", "allowed_addresses", 1], "msg": "an IP address or network is expected"}
    assert (response.status_code, response.json()) == (
        422,
        {"detail": [{**wrong, "type": "value_error"}]},
    )


def test_key_that_would_be_expired_at_birth_is_refused(ours: Workspace) -> None:
    body = {"name": "Robot", "role": "member", "expires_at": "2020-01-01T00:00:00Z"}

    response = make.client(ours).post("/api-keys", body)

    assert response.status_code == 422
    (error,) = response.json()["detail"]
    assert (error["loc"], error["msg"]) == (
        ["body", "expires_at"],
        "the key would be expired at birth",
    )
