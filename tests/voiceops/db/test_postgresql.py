"""A connection to PostgreSQL that was in use a moment ago is looked at instead of asked."""

import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.backends.postgresql.base import DatabaseWrapper as DjangoWrapper
from psycopg.pq import ConnStatus, TransactionStatus

from voiceops.db.postgresql import base

NEEDS_POSTGRESQL = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="asks a server of PostgreSQL"
)
IDLE = {"status": ConnStatus.OK, "transaction_status": TransactionStatus.IDLE}


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, servers = socket.socketpair()
    yield ours, servers
    ours.close()
    servers.close()


def looking_at(ours: socket.socket, **state: Any) -> Any:
    values = {**IDLE, "socket": ours.fileno(), **state}
    return SimpleNamespace(pgconn=SimpleNamespace(**values))


def test_an_idle_connection_is_quiet_until_the_server_writes(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, servers = ends
    assert base.is_quiet(looking_at(ours))

    servers.send(b"E")
    assert not base.is_quiet(looking_at(ours))


def test_a_connection_that_the_server_closed_is_not_quiet(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, servers = ends
    servers.close()

    assert not base.is_quiet(looking_at(ours))


@pytest.mark.parametrize(
    "state",
    [
        {"status": ConnStatus.BAD},
        {"transaction_status": TransactionStatus.INERROR},
        {"socket": -1},
    ],
)
def test_a_connection_that_is_broken_or_not_idle_is_not_quiet(
    ends: tuple[socket.socket, socket.socket], state: dict[str, Any]
) -> None:
    assert not base.is_quiet(looking_at(ends[0], **state))


@NEEDS_POSTGRESQL
@pytest.mark.django_db(transaction=True)
def test_the_server_is_asked_only_about_a_connection_that_has_rested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bool] = []

    def ask(wrapper: Any) -> bool:
        asked.append(True)
        return True

    monkeypatch.setattr(DjangoWrapper, "is_usable", ask)
    wrapper: Any = connection
    wrapper.ensure_connection()
    wrapper._last_checked_at = float("-inf")

    assert [wrapper.is_usable() for _ in range(3)] == [True] * 3
    assert len(asked) == 1
    wrapper._last_checked_at -= base.RESTED_SECONDS
    assert wrapper.is_usable()
    assert len(asked) == 2


@NEEDS_POSTGRESQL
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_server_ended_is_replaced_before_it_is_used() -> None:
    wrapper: Any = connection
    wrapper.ensure_connection()
    assert wrapper.is_usable()
    ended = wrapper.connection
    names = ("dbname", "user", "password", "host", "port")
    parameters: Any = {
        name: value for name, value in wrapper.get_connection_params().items() if name in names
    }
    with psycopg.connect(**parameters) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [ended.info.backend_pid])

    for _ in range(100):  # the server needs a moment
        if not base.is_quiet(ended):
            break
        time.sleep(0.02)
    assert not wrapper.is_usable()
    wrapper.health_check_enabled, wrapper.health_check_done = True, False
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    assert wrapper.connection is not ended
