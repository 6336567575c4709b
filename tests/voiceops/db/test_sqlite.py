"""Turns among the threads of a process that write to SQLite."""

import threading
import time
from contextlib import suppress

import pytest
from django.db import DatabaseError, OperationalError, connection, connections, transaction

from accounts.models import Workspace
from voiceops.db.sqlite import base

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="turns are SQLite's"),
]


def in_thread(function: object) -> threading.Thread:
    def run() -> None:
        try:
            function()  # type: ignore[operator]
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_threads_write_one_after_another() -> None:
    order: list[str] = []
    held = threading.Event()

    def first() -> None:
        with transaction.atomic():
            Workspace.unscoped.create(name="First")
            held.set()
            time.sleep(0.2)
            order.append("first")

    def second() -> None:
        held.wait(5)
        with transaction.atomic():
            order.append("second")
            Workspace.unscoped.create(name="Second")

    for thread in [in_thread(first), in_thread(second)]:
        thread.join(10)

    assert order == ["first", "second"]
    assert Workspace.unscoped.count() == 2


def test_waiting_too_long_raises_database_is_locked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base, "TURN_TIMEOUT_SECONDS", 0.05)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            held.set()
            done.wait(5)

    holder = in_thread(hold)
    held.wait(5)
    with pytest.raises(OperationalError, match="database is locked"), transaction.atomic():
        pass
    done.set()
    holder.join(10)

    with transaction.atomic():  # the turn came back
        assert Workspace.unscoped.count() == 0


def test_the_turn_is_released_after_a_failure_and_a_lost_connection() -> None:
    for fail in (ZeroDivisionError, DatabaseError):
        with pytest.raises(fail), transaction.atomic():
            raise fail
    with suppress(DatabaseError), transaction.atomic():
        connection.close()  # as when it breaks
    assert not base._turn.locked()

    in_thread(lambda: Workspace.unscoped.create(name="Next")).join(10)

    assert Workspace.unscoped.filter(name="Next").exists()
    assert not base._turn.locked()
