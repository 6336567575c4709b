"""Bulk transactions on SQLite leave its writer free for others."""

import threading
import time
from itertools import pairwise

import pytest
from django.db import connection, connections

from accounts.models import Workspace
from voiceops.db.bulk_turn import bulk_transaction

pytestmark = pytest.mark.django_db(transaction=True)


def write_in_bulk(spans: list[tuple[float, float]], *, hold_seconds: float) -> None:
    """Run two bulk transactions, and note when each held the writer."""
    try:
        for _ in range(2):
            with bulk_transaction():
                began = time.monotonic()
                Workspace.unscoped.create(name="Bulk")
                time.sleep(hold_seconds)
                spans.append((began, time.monotonic()))
    finally:
        connections.close_all()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has many writers")
def test_after_a_bulk_transaction_the_writer_is_free_for_as_long() -> None:
    spans: list[tuple[float, float]] = []
    threads = [
        threading.Thread(target=write_in_bulk, args=(spans,), kwargs={"hold_seconds": 0.1})
        for _ in range(2)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    gaps = [later[0] - earlier[1] for earlier, later in pairwise(spans)]
    assert len(spans) == 4
    assert min(gaps) >= 0.09


@bulk_transaction()
def write_and_fail() -> None:
    Workspace.unscoped.create(name="Bulk")
    raise ZeroDivisionError


def test_a_bulk_transaction_that_fails_is_undone() -> None:
    with pytest.raises(ZeroDivisionError):
        write_and_fail()

    assert not Workspace.unscoped.filter(name="Bulk").exists()
