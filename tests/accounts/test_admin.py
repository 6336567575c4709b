"""What staff do with users, memberships and credentials in the admin.

tests/admin checks that every table has its pages.
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
def staff_user(db: None) -> User:
    return make.user(is_staff=True, is_superuser=True)


@pytest.fixture
def staff(staff_user: User) -> Client:
    client = Client()
    client.force_login(staff_user)
    return client


def audited(staff_user: User) -> list[str]:
    return list(
        AuditEntry.unscoped.filter(actor_name=staff_user.email)
        .order_by("pk")
        .values_list("action", flat=True)
    )


def test_pages_contain_no_secret(staff: Client, ours: Workspace) -> None:
    row, _ = make.api_key(ours)
    staff_user = User.objects.get()

    key_page = staff.get(f"/admin/accounts/apikey/{row.pk}/change/").content.decode()
    user_page = staff.get(f"/admin/accounts/user/{staff_user.pk}/change/").content.decode()

    assert row.prefix in key_page
    assert ApiKey.unscoped.get().key_hash not in key_page
    assert staff_user.password not in user_page


def test_anonymous_visitors_get_the_login_page(db: None) -> None:
    response = Client().get("/admin/accounts/user/")

    assert (response.status_code, response["Location"]) == (
        302,
        "/admin/login/?next=/admin/accounts/user/",
    )


def test_a_login_page_that_was_opened_by_itself_leads_to_the_overview(staff_user: User) -> None:
    form = {"username": staff_user.email, "password": make.PASSWORD}

    response = Client().post("/admin/login/", form)

    assert (response.status_code, response["Location"]) == (302, "/admin/")


def test_staff_who_add_a_workspace_become_its_admin(staff: Client, staff_user: User) -> None:
    staff.post(
        "/admin/accounts/workspace/add/",
        {"name": "New", "max_concurrent_calls": "5", "members_see_numbers": "on", **INLINE},
    )

    workspace = Workspace.unscoped.get()
    membership = workspace.memberships.get()
    assert (workspace.name, workspace.max_concurrent_calls) == ("New", 5)
    assert workspace.members_see_numbers
    assert (membership.user, membership.role) == (staff_user, Role.ADMIN)
    assert audited(staff_user) == ["workspace.created"]


def test_limits_of_a_workspace_are_validated_as_in_the_api(
    staff: Client, staff_user: User, ours: Workspace
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
    assert audited(staff_user) == ["workspace.updated"]


def test_memberships_can_be_added_changed_and_deleted_but_an_admin_stays(
    staff: Client, staff_user: User, ours: Workspace
) -> None:
    admin = make.member(ours, Role.ADMIN)
    guest = make.user()
    base = "/admin/accounts/membership/"

    staff.post(
        f"{base}add/", {"workspace": str(ours.pk), "user": str(guest.pk), "role": Role.MEMBER}
    )
    membership = Membership.unscoped.get(user=guest)
    staff.post(f"{base}{membership.pk}/change/", {"role": Role.MANAGER})
    last_admin = Membership.unscoped.get(user=admin)
    lowered = staff.post(
        f"{base}{last_admin.pk}/change/", {"role": Role.MEMBER}, follow=True
    ).content.decode()
    deleted = staff.post(
        f"{base}{last_admin.pk}/delete/", {"post": "yes"}, follow=True
    ).content.decode()

    membership.refresh_from_db()
    guest.refresh_from_db()
    assert (membership.role, guest.default_workspace) == (Role.MANAGER, ours)
    assert ["Workspace must keep an admin" in text for text in (lowered, deleted)] == [True, True]
    assert Membership.unscoped.get(user=admin).role == Role.ADMIN
    staff.post(f"{base}{membership.pk}/delete/", {"post": "yes"})
    assert not Membership.unscoped.filter(user=guest).exists()
    assert audited(staff_user) == ["member.added", "member.role_changed", "member.removed"]


def test_a_changed_address_can_still_log_in(staff: Client, staff_user: User) -> None:
    other = make.user()

    staff.post(
        f"/admin/accounts/user/{other.pk}/change/",
        {"email": "New@Example.com", "name": "N", "is_active": "on", **INLINE},
    )

    other.refresh_from_db()
    assert (other.email, other.name) == ("new@example.com", "N")
    assert audited(staff_user) == ["user.changed_by_staff"]


def test_users_cannot_be_deleted(staff: Client) -> None:
    other = make.user()

    assert (
        staff.post(f"/admin/accounts/user/{other.pk}/delete/", {"post": "yes"}).status_code == 403
    )
    assert User.objects.filter(pk=other.pk).exists()


def test_staff_cannot_gain_privileges_nor_edit_superusers(db: None, staff_user: User) -> None:
    helper = make.user(is_staff=True)
    helper.user_permissions.add(*_permissions("change_user", "view_user", "view_every_workspace"))
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
        for row in (staff_user, helper, guest)
    ]

    guest.refresh_from_db()
    assert answers == [403, 403, 302]
    assert (guest.email, guest.is_staff, guest.is_superuser) == ("x@example.com", False, False)


def test_keys_are_revoked_and_logins_ended(
    staff: Client, staff_user: User, ours: Workspace
) -> None:
    key, _ = make.api_key(ours)
    session = make.session(make.member(ours))

    staff.post("/admin/accounts/apikey/", {"action": "revoke", "_selected_action": [str(key.pk)]})
    staff.post("/admin/accounts/session/", {"action": "end", "_selected_action": [str(session.pk)]})

    key.refresh_from_db()
    assert key.revoked_at is not None
    assert not Session.objects.get().is_live(timezone.now())
    assert audited(staff_user) == ["api_key.revoked", "session.ended"]


def _permissions(*names: str) -> list[Permission]:
    return list(Permission.objects.filter(codename__in=names))
