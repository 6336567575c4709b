from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Invitation, Membership, User, Workspace
from accounts.roles import Role
from accounts.services import email_delivery
from tests import make

GUEST = {"email": "Guest@Example.com", "role": "manager"}
GONE = (404, {"detail": "Invitation not found"})


def invite(workspace: Workspace, **changes: str) -> str:
    """Invite by e-mail and return the token out of it."""
    response = make.client(workspace).post(
        f"/workspaces/{workspace.pk}/invitations", {**GUEST, **changes}
    )
    assert response.status_code == 201, response.json()
    email_delivery.wait_until_sent()
    return mail.outbox[-1].body.split("\n\n")[-1].strip()


def accept(token: str, **fields: str) -> Any:
    return APIClient().post("/auth/invitations/accept", {"token": token, **fields})


def test_the_token_is_sent_by_email_and_stored_as_a_hash(ours: Workspace) -> None:
    token = invite(ours)

    row = Invitation.unscoped.get()
    listed = make.client(ours).get(f"/workspaces/{ours.pk}/invitations").json()["items"]
    email_delivery.wait_until_sent()
    assert [m.to for m in mail.outbox] == [["guest@example.com"]]
    assert token not in str(list(Invitation.unscoped.values()))
    assert listed == [
        {
            "id": str(row.pk),
            "email": "guest@example.com",
            "role": "manager",
            "created_at": row.created_at.isoformat().replace("+00:00", "Z"),
            "expires_at": row.expires_at.isoformat().replace("+00:00", "Z"),
        }
    ]


def test_accepting_an_invitation_logs_in(ours: Workspace) -> None:
    token = invite(ours)

    response = accept(token, password=make.PASSWORD, name="Grace")
    again = accept(token, password=make.PASSWORD)

    user = User.objects.get(email="guest@example.com")
    assert response.status_code == 200
    assert (response.json()["user"]["name"], response.json()["workspace"]["role"]) == (
        "Grace",
        "manager",
    )
    assert (user.default_workspace, Membership.unscoped.get(user=user).role) == (ours, Role.MANAGER)
    assert (again.status_code, again.json()) == GONE


def test_a_new_user_must_choose_a_strong_password(ours: Workspace) -> None:
    token = invite(ours)

    missing, common = accept(token), accept(token, password="1qaz2wsx3edc")

    assert (
        missing.json()["detail"][0]["loc"]
        == common.json()["detail"][0]["loc"]
        == ["body", "password"]
    )
    assert (missing.status_code, common.status_code) == (422, 422)
    assert not User.objects.exists()


def test_an_existing_user_needs_no_new_password(ours: Workspace, theirs: Workspace) -> None:
    user = make.member(theirs, email="guest@example.com")

    response = accept(invite(ours))

    assert response.json()["workspace"]["id"] == str(ours.pk)
    assert {membership.workspace for membership in user.memberships.all()} == {ours, theirs}
    assert User.objects.get().default_workspace == theirs


def test_one_open_invitation_per_address(ours: Workspace) -> None:
    invite(ours)
    client = make.client(ours)

    twice = client.post(f"/workspaces/{ours.pk}/invitations", GUEST)
    Invitation.unscoped.update(expires_at=timezone.now() - timedelta(seconds=1))
    renewed = client.post(f"/workspaces/{ours.pk}/invitations", GUEST)

    assert (twice.status_code, twice.json()) == (409, {"detail": "Already invited"})
    assert (renewed.status_code, Invitation.unscoped.count()) == (201, 1)


def test_a_member_is_not_invited_again(ours: Workspace) -> None:
    make.member(ours, email="guest@example.com")

    response = make.client(ours).post(f"/workspaces/{ours.pk}/invitations", GUEST)

    assert (response.status_code, response.json()) == (409, {"detail": "Already a member"})


@pytest.mark.parametrize("case", ["expired", "revoked", "unknown"])
def test_an_expired_or_used_invitation_is_not_found(ours: Workspace, case: str) -> None:
    token = invite(ours)
    if case == "expired":
        Invitation.unscoped.update(expires_at=timezone.now())
    if case == "revoked":
        row = Invitation.unscoped.get()
        assert make.client(ours).delete(f"/workspaces/{ours.pk}/invitations/{row.pk}").json() == {
            "detail": "Deleted"
        }

    response = accept("x" * 32 if case == "unknown" else token, password=make.PASSWORD)

    assert (response.status_code, response.json()) == GONE
