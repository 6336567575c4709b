"""A database that is locked at any moment of a request is 503 with a time to try again."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection

from accounts.models import Workspace
from accounts.roles import Role
from tests.architecture.test_routes import Endpoint, callers, endpoints, fill, send
from voiceops.core import database_locks

MAX_STATEMENTS = 100


class LockedFrom:
    """Every statement from the given one on fails as on a locked database."""

    def __init__(self, first: int) -> None:
        self.statements_left = first
        self.has_failed = False

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        # What ends a transaction takes no lock.
        if str(sql).startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            return execute(sql, params, many, context)
        if not self.statements_left:
            self.has_failed = True
            raise OperationalError("database is locked")
        self.statements_left -= 1
        return execute(sql, params, many, context)


@pytest.mark.parametrize("endpoint", list(endpoints()))
def test_no_endpoint_crashes_on_a_locked_database(
    endpoint: Endpoint, ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_locks, "FIRST_WAIT_SECONDS", 0.0)
    route, method, _ = endpoint
    url = fill(route, ours)
    caller = callers(ours, Role.ADMIN)[0]

    for first in range(MAX_STATEMENTS):
        locked = LockedFrom(first)
        with connection.execute_wrapper(locked):
            response = send(caller, method, url)
        if not locked.has_failed:
            break
        assert response.status_code == 503, (first, response.content)
        assert response["Retry-After"] == "1"
    assert not locked.has_failed
