"""Parallel changes of a workspace's last admins."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import OperationalError, connections
from rest_framework.test import APIClient

from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from tests import make

ROUNDS = 6


def change_both(ours: Workspace, method: str) -> list[tuple[int, Any]]:
    """Four admins' requests at once: each of two admins is demoted or removed by two clients."""
    admins = [make.member(ours, Role.ADMIN) for _ in range(2)]
    clients = [make.bearer(admin) for admin in admins for _ in range(2)]
    paths = [f"/workspaces/{ours.pk}/members/{admin.pk}" for admin in admins] * 2
    start = Barrier(len(clients))

    def send(client: APIClient, path: str) -> tuple[int, Any]:
        client.raise_request_exception = False
        start.wait()
        try:
            response = client.generic(
                method, path, '{"role": "member"}', content_type="application/json"
            )
            return response.status_code, response.json()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(clients)) as threads:
        return list(threads.map(send, clients, paths))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_parallel_changes_of_the_last_admins_are_made_or_refused(method: str) -> None:
    for _ in range(ROUNDS):
        workspace = make.workspace()

        answers = change_both(workspace, method)

        # 401, 403 and 404 are for a request of or about an admin who is none any more.
        assert {status for status, _ in answers} <= {200, 400, 401, 403, 404}, answers
        admins = Membership.unscoped.filter(workspace=workspace, role=Role.ADMIN)
        assert admins.count() == 1


@pytest.mark.parametrize("failures", [1, 3])
def test_a_change_whose_lock_was_not_free_is_tried_again(
    ours: Workspace, failures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_fails(monkeypatch, times=failures)
    make.member(ours, Role.ADMIN)
    member = make.member(ours)

    response = make.client(ours).patch(path_of(ours, member), {"role": "manager"})

    assert response.status_code == 200


def test_a_database_that_stays_locked_is_503_with_a_time_to_try_again(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_fails(monkeypatch, times=100)
    member = make.member(ours)

    response = make.client(ours).delete(path_of(ours, member))

    assert (response.status_code, response.json()) == (503, {"detail": "The database is busy"})
    assert response["Retry-After"] == "1"
    assert Membership.unscoped.filter(user=member).exists()


def path_of(workspace: Workspace, user: User) -> str:
    return f"/workspaces/{workspace.pk}/members/{user.pk}"


def lock_fails(monkeypatch: pytest.MonkeyPatch, *, times: int) -> None:
    """Makes locking a workspace fail as SQLite does, so many times."""
    original = Workspace.lock
    remaining = iter(range(times))

    def lock(workspace: Workspace) -> None:
        if next(remaining, None) is not None:
            raise OperationalError("database is locked")
        original(workspace)

    monkeypatch.setattr(Workspace, "lock", lock)
