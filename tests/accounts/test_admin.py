"""What staff do with people, seats and credentials. That every table is there is
tests/test_admin.py's.
"""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, AuditEntry, Membership, Session, User, Workspace
from accounts.roles import Role
from tests import make

INLINE = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}


@pytest.fixture
def person(db: None) -> User:
    return make.user(is_staff=True, is_superuser=True)


@pytest.fixture
def staff(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def audited(person: User) -> list[str]:
    return list(
        AuditEntry.unscoped.filter(actor_name=person.email)
        .order_by("pk")
        .values_list("action", flat=True)
    )


def test_pages_contain_no_secret(staff: Client, ours: Workspace) -> None:
    row, _ = make.api_key(ours)
    person = User.objects.get()

    key_page = staff.get(f"/admin/accounts/apikey/{row.pk}/change/").content.decode()
    user_page = staff.get(f"/admin/accounts/user/{person.pk}/change/").content.decode()

    assert row.prefix in key_page
    assert ApiKey.unscoped.get().key_hash not in key_page
    assert person.password not in user_page


def test_anonymous_visitors_get_the_login_page(db: None) -> None:
    response = Client().get("/admin/accounts/user/")

    assert (response.status_code, response["Location"]) == (
        302,
        "/admin/login/?next=/admin/accounts/user/",
    )


def test_staff_who_add_a_workspace_become_its_admin(staff: Client, person: User) -> None:
    staff.post(
        "/admin/accounts/workspace/add/", {"name": "New", "max_concurrent_calls": "5", **INLINE}
    )

    workspace = Workspace.unscoped.get()
    seat = workspace.memberships.get()
    assert (workspace.name, workspace.max_concurrent_calls) == ("New", 5)
    assert (seat.user, seat.role) == (person, Role.ADMIN)
    assert audited(person) == ["workspace.created"]


def test_limits_of_a_workspace_are_validated_as_in_the_api(
    staff: Client, person: User, ours: Workspace
) -> None:
    url = f"/admin/accounts/workspace/{ours.pk}/change/"
    window = '{"days": [1, 2], "start": "09:00", "end": "18:00", "timezone": "recipient"}'

    staff.post(url, {"name": "Ours", "calling_window": window, **INLINE})
    refused = staff.post(
        url, {"name": "Ours", "calling_window": '{"days": [9]}', **INLINE}
    ).content.decode()

    ours.refresh_from_db()
    assert ours.calling_window == {
        "days": [1, 2],
        "start": "09:00",
        "end": "18:00",
        "timezone": "recipient",
    }
    assert "start: field required" in refused
    assert audited(person) == ["workspace.updated"]


def test_memberships_can_be_added_changed_and_deleted_but_an_admin_stays(
    staff: Client, person: User, ours: Workspace
) -> None:
    admin = make.member(ours, Role.ADMIN)
    guest = make.user()
    base = "/admin/accounts/membership/"

    staff.post(
        f"{base}add/", {"workspace": str(ours.pk), "user": str(guest.pk), "role": Role.MEMBER}
    )
    seat = Membership.unscoped.get(user=guest)
    staff.post(f"{base}{seat.pk}/change/", {"role": Role.MANAGER})
    only = Membership.unscoped.get(user=admin)
    lowered = staff.post(
        f"{base}{only.pk}/change/", {"role": Role.MEMBER}, follow=True
    ).content.decode()
    taken = staff.post(f"{base}{only.pk}/delete/", {"post": "yes"}, follow=True).content.decode()

    seat.refresh_from_db()
    guest.refresh_from_db()
    assert (seat.role, guest.default_workspace) == (Role.MANAGER, ours)
    assert ["Workspace must keep an admin" in text for text in (lowered, taken)] == [True, True]
    assert Membership.unscoped.get(user=admin).role == Role.ADMIN
    staff.post(f"{base}{seat.pk}/delete/", {"post": "yes"})
    assert not Membership.unscoped.filter(user=guest).exists()
    assert audited(person) == ["member.added", "member.role_changed", "member.removed"]


def test_a_changed_address_can_still_log_in(staff: Client, person: User) -> None:
    other = make.user()

    staff.post(
        f"/admin/accounts/user/{other.pk}/change/",
        {"email": "New@Example.com", "name": "N", "is_active": "on", **INLINE},
    )

    other.refresh_from_db()
    assert (other.email, other.name) == ("new@example.com", "N")
    assert audited(person) == ["user.changed_by_staff"]


def test_users_cannot_be_deleted(staff: Client) -> None:
    other = make.user()

    assert (
        staff.post(f"/admin/accounts/user/{other.pk}/delete/", {"post": "yes"}).status_code == 403
    )
    assert User.objects.filter(pk=other.pk).exists()


def test_staff_cannot_gain_privileges_nor_edit_superusers(db: None, person: User) -> None:
    helper = make.user(is_staff=True)
    helper.user_permissions.add(*_permissions("change_user", "view_user"))
    guest = make.user()
    client = Client()
    client.force_login(helper)
    wanted = {
        "email": "x@example.com",
        "name": "",
        "is_active": "on",
        "is_staff": "on",
        "is_superuser": "on",
        **INLINE,
    }

    answers = [
        client.post(f"/admin/accounts/user/{row.pk}/change/", wanted).status_code
        for row in (person, helper, guest)
    ]

    guest.refresh_from_db()
    assert answers == [403, 403, 302]
    assert (guest.email, guest.is_staff, guest.is_superuser) == ("x@example.com", False, False)


def test_keys_are_revoked_and_logins_ended(staff: Client, person: User, ours: Workspace) -> None:
    key, _ = make.api_key(ours)
    session = make.session(make.member(ours))

    staff.post("/admin/accounts/apikey/", {"action": "revoke", "_selected_action": [str(key.pk)]})
    staff.post("/admin/accounts/session/", {"action": "end", "_selected_action": [str(session.pk)]})

    key.refresh_from_db()
    assert key.revoked_at is not None
    assert not Session.objects.get().is_live(timezone.now())
    assert audited(person) == ["api_key.revoked", "session.ended"]


def _permissions(*names: str) -> list[Permission]:
    return list(Permission.objects.filter(codename__in=names))
