"""Whoever registers an address first keeps nothing once its owner has proven it."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.auth.principal import Principal
from accounts.models import ApiKey, Membership, User, Workspace
from accounts.roles import Role
from accounts.services import email_delivery, members
from tests import make
from voiceops.core.errors import StateForbids

pytestmark = pytest.mark.django_db

OWNER = "owner@example.com"
NEW_PASSWORD = "a password of the owner's"


def squat() -> dict[str, Any]:
    """Register somebody else's address; returns what the stranger then holds."""
    body = {"email": OWNER, "password": make.PASSWORD}
    tokens = APIClient().post("/auth/register", body).json()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    key = APIClient(headers=bearer).post("/api-keys", {"name": "Kept", "role": "admin"}).json()
    return {**tokens, "bearer": bearer, "key": key["key"]}


def statuses(held: dict[str, Any]) -> list[int]:
    """How the stranger's access token, refresh token, API key and password are answered."""
    client = APIClient()
    return [
        APIClient(headers=held["bearer"]).get("/auth/me").status_code,
        client.post("/auth/refresh", {"refresh_token": held["refresh_token"]}).status_code,
        APIClient(headers={"X-API-Key": held["key"]}).get("/agents").status_code,
        client.post("/auth/login", {"email": OWNER, "password": make.PASSWORD}).status_code,
    ]


def token_of_last_email() -> str:
    email_delivery.wait_until_sent()
    blocks = mail.outbox[-1].body.split("\n\n")
    return next(block.strip() for block in blocks if len(block.strip()) == 32)


def invite(to: Workspace) -> str:
    make.client(to).post(f"/workspaces/{to.pk}/invitations", {"email": OWNER, "role": "member"})
    return token_of_last_email()


def test_an_unproven_address_works_until_it_is_proven(ours: Workspace) -> None:
    held = squat()

    assert statuses(held) == [200, 200, 200, 200]
    assert User.objects.get(email=OWNER).email_proven_at is None


def test_an_accepted_invitation_ends_all_that_the_stranger_holds(ours: Workspace) -> None:
    held = squat()

    response = APIClient().post(
        "/auth/invitations/accept", {"token": invite(ours), "password": NEW_PASSWORD}
    )

    owner = User.objects.get(email=OWNER)
    body = response.json()
    assert (response.status_code, body["workspace"]["id"]) == (200, str(ours.pk))
    assert statuses(held) == [401, 401, 401, 401]
    assert owner.check_password(NEW_PASSWORD)
    assert owner.default_workspace_id == ours.pk
    assert body["user"]["default_workspace_id"] == str(ours.pk)
    bearer = {"Authorization": f"Bearer {body['access_token']}"}
    assert APIClient(headers=bearer).get("/agents").status_code == 200


def test_without_a_password_of_the_owner_the_strangers_ends_too(ours: Workspace) -> None:
    held = squat()

    response = APIClient().post("/auth/invitations/accept", {"token": invite(ours)})

    assert response.status_code == 200
    assert statuses(held) == [401, 401, 401, 401]
    assert not User.objects.get(email=OWNER).has_usable_password()


def test_a_weak_password_proves_nothing(ours: Workspace) -> None:
    held = squat()
    token = invite(ours)

    response = APIClient().post("/auth/invitations/accept", {"token": token, "password": OWNER})

    assert response.status_code == 422
    assert statuses(held) == [200, 200, 200, 200]


@pytest.mark.parametrize("by", ["verification", "reset"])
def test_a_password_set_by_mail_ends_all_that_the_stranger_holds(by: str) -> None:
    held = squat()
    if by == "reset":
        APIClient().post("/auth/password/reset", {"email": OWNER})
    body = {"token": token_of_last_email(), "password": NEW_PASSWORD}

    response = APIClient().post("/auth/password/reset/confirm", body)

    login = APIClient().post("/auth/login", {"email": OWNER, "password": NEW_PASSWORD})
    assert (response.status_code, response.json()) == (200, {"detail": "Password changed"})
    assert statuses(held) == [401, 401, 401, 401]
    assert login.status_code == 200
    assert ApiKey.unscoped.filter(created_by__email=OWNER, revoked_at=None).count() == 0


def test_a_proven_address_keeps_keys_and_sessions_at_the_next_proof(ours: Workspace) -> None:
    owner = make.member(make.workspace(), Role.ADMIN, email=OWNER)
    key = make.api_key(owner.default_workspace, created_by=owner)[1]  # type: ignore[arg-type]

    response = APIClient().post("/auth/invitations/accept", {"token": invite(ours)})

    assert response.status_code == 200
    assert APIClient(headers={"X-API-Key": key}).get("/agents").status_code == 200
    login = APIClient().post("/auth/login", {"email": OWNER, "password": make.PASSWORD})
    assert login.status_code == 200


def test_staff_add_no_member_whose_address_is_unproven(ours: Workspace) -> None:
    squat()
    user = User.objects.get(email=OWNER)

    with pytest.raises(StateForbids, match="not proven"):
        members.add_member(workspace=ours, user=user, role=Role.ADMIN, principal=Principal())

    assert not Membership.unscoped.filter(workspace=ours, user=user).exists()


def test_the_verification_is_valid_for_seven_days() -> None:
    squat()
    token = token_of_last_email()
    reset = User.objects.get(email=OWNER).password_resets.get()

    reset.expires_at = timezone.now() - timedelta(seconds=1)
    reset.save()
    response = APIClient().post(
        "/auth/password/reset/confirm", {"token": token, "password": NEW_PASSWORD}
    )

    assert (response.status_code, response.json()) == (404, {"detail": "Password reset not found"})
