from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import DatabaseError, connection, models, transaction
from rest_framework.test import APIClient

from accounts.models import AuditEntry, Membership, User, Workspace
from accounts.roles import Role
from telephony.models import PhoneNumber
from tests import make

LAST_ADMIN = (400, {"detail": "Workspace must keep an admin"})
LIMITS: dict[str, Any] = {
    "calling_window": None,
    "max_concurrent_calls": None,
    "max_calls_per_day": None,
    "min_gap_minutes": 240,
    "max_cost_per_day": None,
    "max_attempts_per_day": None,
    "max_attempts_per_week": None,
    "max_attempts_per_30_days": None,
    "rest_days_after_answer": None,
    "rest_days_after_refusal": None,
    "recording_retention_days": None,
    "transcript_retention_days": None,
    "holidays_country": None,
    "timezone": "UTC",
    "unknown_zone": "all",
    "calling_profile": None,
    "publish_requires": [],
}


def described(workspace: Workspace, role: str, **changes: Any) -> dict[str, Any]:
    created_at = workspace.created_at.isoformat().replace("+00:00", "Z")
    limits = {**LIMITS, **changes}
    return {
        "id": str(workspace.pk),
        "name": workspace.name,
        "role": role,
        **limits,
        "created_at": created_at,
    }


def test_users_see_their_own_workspaces(ours: Workspace, theirs: Workspace) -> None:
    client = make.bearer(make.member(ours, Role.MANAGER))

    listed = client.get("/workspaces").json()

    assert listed == {
        "items": [described(ours, "manager")],
        "total": 1,
        "page": 1,
        "page_size": 50,
        "total_pages": 1,
    }
    assert client.get(f"/workspaces/{ours.pk}").json() == described(ours, "manager")


@pytest.mark.parametrize("number", [2**31, 2**63, 10**30])
def test_a_limit_must_fit_an_integer_column(ours: Workspace, number: int) -> None:
    body = {"max_concurrent_calls": number, "min_gap_minutes": number}

    response = make.client(ours).patch(f"/workspaces/{ours.pk}", body)

    too_large = {
        "msg": "ensure this value is less than or equal to 2147483647",
        "type": "value_error.number.not_le",
    }
    assert (response.status_code, response.json()) == (
        422,
        {"detail": [{"loc": ["body", name], **too_large} for name in body]},
    )


def test_the_body_of_a_workspace_may_be_sent_back(ours: Workspace) -> None:
    client = make.bearer(make.member(ours, name="Ann"))
    body = client.get("/auth/me").json()

    response = client.patch("/auth/me", {**body, "name": "Anna"})

    assert (response.status_code, response.json()) == (200, {**body, "name": "Anna"})


def test_a_key_sees_its_workspace_only_and_creates_none(ours: Workspace, theirs: Workspace) -> None:
    client = make.client(ours, Role.ADMIN)

    made = client.post("/workspaces", {"name": "Another"})

    assert client.get("/workspaces").json()["items"] == [described(ours, "admin")]
    assert (made.status_code, made.json()) == (403, {"detail": "Insufficient permissions"})


def test_the_creator_of_a_workspace_is_its_admin(ours: Workspace) -> None:
    client = make.bearer(make.member(ours, Role.MEMBER))

    response = client.post("/workspaces", {"name": "Second", "max_concurrent_calls": 5})

    second = Workspace.unscoped.get(name="Second")
    assert (response.status_code, response.json()) == (
        201,
        described(second, "admin", max_concurrent_calls=5),
    )
    assert client.get("/auth/me").json()["default_workspace_id"] == str(ours.pk)
    assert client.get("/audit-log", headers={"X-Workspace-ID": str(second.pk)}).json()["total"] == 1


def test_an_admin_sets_the_limits(ours: Workspace) -> None:
    window = {"days": [1, 2, 3], "start": "09:00", "end": "24:00", "timezone": "Europe/Berlin"}
    changes = {"calling_window": window, "holidays_country": "de", "max_attempts_per_day": 3}

    response = make.client(ours).patch(f"/workspaces/{ours.pk}", changes)

    expected = {"calling_window": window, "holidays_country": "DE", "max_attempts_per_day": 3}
    assert (response.status_code, response.json()) == (200, described(ours, "admin", **expected))
    assert AuditEntry.unscoped.get(action="workspace.updated").changes == expected


@pytest.mark.parametrize(
    ("change", "loc", "msg"),
    [
        (
            {"max_concurrent_calls": 0},
            ["max_concurrent_calls"],
            "ensure this value is greater than or equal to 1",
        ),
        ({"calling_window": {}}, ["calling_window", "start"], "field required"),
        (
            {"calling_window": {"start": "9:00", "end": "18:00"}},
            ["calling_window", "start"],
            "invalid time of day, expected HH:MM",
        ),
        (
            {"calling_window": {"start": "18:00", "end": "09:00"}},
            ["calling_window", "end"],
            "end must be later than start; hours over midnight are written as spans, for example "
            '{"spans": [{"days": [5, 6], "start": "20:00", "end": "02:00"}]}',
        ),
        (
            {"calling_window": {"start": "09:00", "end": "18:00", "timezone": "Mars/Base"}},
            ["calling_window", "timezone"],
            "unknown time zone, expected an IANA name or 'recipient'",
        ),
        (
            {"holidays_country": "XX"},
            ["holidays_country"],
            "no public holidays are known for this country",
        ),
        ({"timezone": "recipient"}, ["timezone"], "unknown time zone, expected an IANA name"),
        (
            {"unknown_zone": "guess"},
            ["unknown_zone"],
            "value is not a valid enumeration member; permitted: 'all', 'workspace', 'review'",
        ),
    ],
)
def test_invalid_limits_are_refused(
    ours: Workspace, change: dict[str, Any], loc: list[str], msg: str
) -> None:
    response = make.client(ours).patch(f"/workspaces/{ours.pk}", change)

    mistakes = response.json()["detail"]
    assert (response.status_code, mistakes[0]["loc"], mistakes[0]["msg"]) == (
        422,
        ["body", *loc],
        msg,
    )


def test_deleting_a_workspace_keeps_users_and_audit_entries(ours: Workspace) -> None:
    member = make.member(ours, Role.ADMIN)
    second = make.workspace()
    Membership.unscoped.create(workspace=second, user=member, role=Role.MEMBER)
    make.agent(ours)

    response = make.bearer(member).delete(f"/workspaces/{ours.pk}")

    assert (response.status_code, response.json()) == (200, {"detail": "Deleted"})
    assert list(Workspace.unscoped.all()) == [second]
    assert User.objects.get().default_workspace == second
    entry = AuditEntry.unscoped.get(action="workspace.deleted")
    assert (entry.workspace, entry.object_id) == (None, str(ours.pk))


def test_a_workspace_with_numbers_cannot_be_deleted(ours: Workspace) -> None:
    make.phone_number(ours)

    response = make.client(ours).delete(f"/workspaces/{ours.pk}")

    assert (response.status_code, response.json()) == (
        400,
        {"detail": "Workspace still has phone numbers"},
    )
    assert PhoneNumber.unscoped.count() == 1


def test_members_have_hand_picked_fields_only(ours: Workspace, theirs: Workspace) -> None:
    member = make.member(ours, Role.MANAGER, name="Ada")
    make.member(theirs)

    listed = make.client(ours, Role.MEMBER).get(f"/workspaces/{ours.pk}/members").json()["items"]

    membership = Membership.unscoped.get(user=member)
    assert listed == [
        {
            "id": str(member.pk),
            "user_id": str(member.pk),
            "email": member.email,
            "name": "Ada",
            "role": "manager",
            "created_at": membership.created_at.isoformat().replace("+00:00", "Z"),
        }
    ]


@pytest.mark.parametrize("rows", [1, 3])
def test_listing_members_needs_the_same_queries_for_any_number(
    ours: Workspace, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        make.member(ours)
    client = make.client(ours)
    client.get("/api-keys")  # writes when the key was last used

    with django_assert_num_queries(2):  # key, page with its total
        listed = client.get(f"/workspaces/{ours.pk}/members").json()

    assert listed["total"] == rows


def test_a_changed_role_applies_to_the_next_request(ours: Workspace) -> None:
    member = make.member(ours, Role.MEMBER)
    client = make.bearer(member)

    before = client.get("/audit-log").status_code
    changed = make.client(ours).patch(
        f"/workspaces/{ours.pk}/members/{member.pk}", {"role": "admin"}
    )
    after = client.get("/audit-log").status_code

    assert (before, changed.json()["role"], after) == (403, "admin", 200)
    assert AuditEntry.unscoped.get(action="member.role_changed").changes == {
        "role": ["member", "admin"]
    }


def test_a_removed_member_loses_access_at_once(ours: Workspace) -> None:
    make.member(ours, Role.ADMIN)
    member = make.member(ours, Role.ADMIN)
    client = make.bearer(member)

    response = make.client(ours).delete(f"/workspaces/{ours.pk}/members/{member.pk}")
    after = client.get("/api-keys")

    assert (response.status_code, response.json()) == (200, {"detail": "Deleted"})
    assert (after.status_code, after.json()) == (403, {"detail": "Not a member of this workspace"})
    assert client.get("/auth/me").json()["default_workspace_id"] is None


@pytest.mark.parametrize(("method", "body"), [("patch", {"role": "manager"}), ("delete", None)])
def test_the_last_admin_cannot_be_removed(
    ours: Workspace, method: str, body: dict[str, str] | None
) -> None:
    admin = make.member(ours, Role.ADMIN)
    make.member(ours, Role.MANAGER)

    response = getattr(make.bearer(admin), method)(
        f"/workspaces/{ours.pk}/members/{admin.pk}", body
    )

    assert (response.status_code, response.json()) == LAST_ADMIN
    assert Membership.unscoped.get(user=admin).role == Role.ADMIN


@pytest.mark.django_db(transaction=True)
def test_of_two_admins_who_leave_at_once_one_stays() -> None:
    ours = make.workspace()
    admins = [make.member(ours, Role.ADMIN) for _ in range(2)]
    start = Barrier(2)

    def leave(admin: User) -> int:
        client = make.bearer(admin)
        start.wait(timeout=10)
        try:
            return int(client.delete(f"/workspaces/{ours.pk}/members/{admin.pk}").status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        statuses = sorted(pool.map(leave, admins))

    assert statuses == [200, 400]
    assert ours.memberships.filter(role=Role.ADMIN).count() == 1


def test_an_unknown_default_workspace_is_not_found(ours: Workspace) -> None:
    user = make.user()

    response = make.bearer(user).get("/api-keys")

    assert (response.status_code, response.json()) == (
        403,
        {"detail": "Not a member of this workspace"},
    )


def test_audit_entries_cannot_be_changed(ours: Workspace) -> None:
    entry = make.audit_entry(ours)
    rows: models.QuerySet[AuditEntry] = AuditEntry.unscoped.all()

    for change in (
        lambda: entry.save(),
        lambda: entry.delete(),
        lambda: rows.update(ip=None),
        lambda: rows.delete(),
    ):
        with pytest.raises(TypeError, match="never"):
            change()

    assert rows.count() == 1


def test_the_audit_log_can_be_searched(ours: Workspace) -> None:
    member = make.member(ours, Role.ADMIN)
    client = make.bearer(member)
    made = client.post("/api-keys", {"name": "Robot", "role": "member"}).json()
    make.audit_entry(ours)

    by_actor = client.get(f"/audit-log?actor={member.pk}").json()
    by_object = client.get(
        f"/audit-log?object_type=apikey&object_id={made['id']}&action=api_key.created"
    ).json()
    by_time = client.get("/audit-log?after=2000-01-01&before=2001-01-01").json()

    entry = AuditEntry.unscoped.get(action="api_key.created")
    assert (
        by_actor["items"]
        == by_object["items"]
        == [
            {
                "id": str(entry.pk),
                "actor": {"type": "user", "id": str(member.pk), "name": member.email},
                "action": "api_key.created",
                "object_type": "apikey",
                "object_id": made["id"],
                "at": entry.at.isoformat().replace("+00:00", "Z"),
                "ip": "127.0.0.1",
                "changes": {"name": "Robot", "role": "member", "prefix": made["prefix"]},
            }
        ]
    )
    assert by_time["items"] == []
    for query in (f"object={made['id']}", "object=apikey", f"object=apikey&from={entry.at.date()}"):
        assert client.get(f"/audit-log?{query}").json()["items"] == by_object["items"]
    for query in (
        "object=nothing",
        "to=2001-01-01",
        f"from={entry.at.year + 1}-01-01",
        "from=2000-01-01&before=2001-01-01",
    ):
        assert client.get(f"/audit-log?{query}").json()["items"] == []
    assert APIClient().get("/audit-log").status_code == 401


@pytest.mark.parametrize(
    "sql", ["UPDATE accounts_auditentry SET action = 'x'", "DELETE FROM accounts_auditentry"]
)
def test_the_database_refuses_changes_of_the_audit_log(ours: Workspace, sql: str) -> None:
    make.audit_entry(ours)
    if connection.vendor == "sqlite" and sql.startswith("DELETE"):
        # See the migration.
        sql = "UPDATE accounts_auditentry SET workspace_id = NULL, actor_name = 'nobody'"

    with (
        pytest.raises(DatabaseError, match="never changed or deleted"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)

    assert AuditEntry.unscoped.values_list("action", flat=True).get() == "thing.done"
