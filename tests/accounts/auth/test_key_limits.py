"""A key makes only keys that can do no more than itself."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Workspace
from accounts.roles import Role
from tests import make

EXPIRES = timezone.now().replace(microsecond=0) + timedelta(days=7)


def made_by_key(of: Workspace, body: dict[str, Any], **limits: Any) -> Any:
    key = make.api_key(of, Role.ADMIN, **limits)[1]
    return APIClient(headers={"X-API-Key": key}).post(
        "/api-keys", {"name": "Child", "role": "admin", **body}
    )


def as_text(at: Any) -> str:
    return str(at.isoformat().replace("+00:00", "Z"))


def test_a_key_of_a_bound_key_has_its_addresses_and_expiry(ours: Workspace) -> None:
    response = made_by_key(
        ours, {"expires_at": None}, expires_at=EXPIRES, allowed_addresses=["127.0.0.0/8"]
    )

    assert response.status_code == 201
    assert response.json()["expires_at"] == as_text(EXPIRES)
    assert response.json()["allowed_addresses"] == ["127.0.0.0/8"]


def test_a_narrower_key_is_made(ours: Workspace) -> None:
    body = {
        "role": "member",
        "expires_at": as_text(EXPIRES - timedelta(days=1)),
        "allowed_addresses": ["127.0.0.1"],
    }

    response = made_by_key(ours, body, expires_at=EXPIRES, allowed_addresses=["127.0.0.0/8"])

    assert response.status_code == 201
    assert response.json()["role"] == "member"
    assert response.json()["expires_at"] == body["expires_at"]
    assert response.json()["allowed_addresses"] == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("body", "limits", "what"),
    [
        ({"expires_at": as_text(EXPIRES + timedelta(days=1))}, {"expires_at": EXPIRES}, "expiry"),
        (
            {"allowed_addresses": ["127.0.0.1", "10.0.0.0/8"]},
            {"allowed_addresses": ["127.0.0.0/8"]},
            "addresses",
        ),
        (
            {"allowed_addresses": ["0.0.0.0/0"]},
            {"allowed_addresses": ["127.0.0.0/8"]},
            "addresses",
        ),
        ({"allowed_addresses": ["::/0"]}, {"allowed_addresses": ["127.0.0.0/8"]}, "addresses"),
    ],
)
def test_a_wider_key_is_refused(
    ours: Workspace, body: dict[str, Any], limits: dict[str, Any], what: str
) -> None:
    response = made_by_key(ours, body, **limits)

    sentence = f"An API key makes only keys of at most its own {what}"
    assert (response.status_code, response.json()) == (403, {"detail": sentence})
    assert ours.api_keys.count() == 1


def test_a_key_without_limits_makes_any_key(ours: Workspace) -> None:
    body = {"expires_at": as_text(EXPIRES), "allowed_addresses": ["10.0.0.0/8"]}

    assert made_by_key(ours, body).status_code == 201
