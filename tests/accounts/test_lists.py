from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import Membership, Workspace
from accounts.roles import Role
from tests import make


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    ("path", "build"),
    [
        ("/api-keys", make.api_key),
        ("/audit-log", make.audit_entry),
        ("/workspaces/{pk}/invitations", make.invitation),
    ],
)
def test_a_list_needs_the_same_queries_for_any_number_of_rows(
    ours: Workspace,
    path: str,
    build: Callable[[Workspace], Any],
    rows: int,
    django_assert_num_queries: Any,
) -> None:
    for _ in range(rows):
        build(ours)
    client = make.client(ours)
    client.get(path.format(pk=ours.pk))  # the first use of a key is written down

    with django_assert_num_queries(2):  # key, page with its total
        response = client.get(path.format(pk=ours.pk))

    keys_own_row = path == "/api-keys"
    assert response.json()["total"] == rows + keys_own_row


@pytest.mark.parametrize("rows", [1, 3])
def test_listing_workspaces_needs_the_same_queries_for_any_number(
    ours: Workspace, rows: int, django_assert_num_queries: Any
) -> None:
    user = make.member(ours)
    for _ in range(rows - 1):
        Membership.unscoped.create(workspace=make.workspace(), user=user, role=Role.MEMBER)
    client = make.bearer(user)

    with django_assert_num_queries(3):  # caller, count, page
        listed = client.get("/workspaces").json()
    with django_assert_num_queries(3):  # caller, the user, memberships with their workspaces
        me = client.get("/auth/me").json()

    assert listed["total"] == len(me["workspaces"]) == rows
