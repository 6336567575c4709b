"""What is done again when a lock of the database was not free."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, transaction

from accounts.models import Workspace
from voiceops.api.errors import transient_detail
from voiceops.core import database_locks
from voiceops.core.database_locks import MAX_TRIES, retry_when_locked

LOCKED = "database is locked"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_locks, "FIRST_WAIT_SECONDS", 0.0)


def failing(times: int, *, before: Callable[[], object] = lambda: None) -> Any:
    """A function that does `before`, fails as a locked database does so many times, and returns
    how often it was called.
    """
    calls: list[int] = []

    @retry_when_locked
    def write() -> int:
        calls.append(1)
        before()
        if len(calls) <= times:
            raise OperationalError(LOCKED)
        return len(calls)

    write.calls = calls  # type: ignore[attr-defined]
    return write


@pytest.mark.django_db(transaction=True)
def test_a_write_whose_lock_was_not_free_is_done_again() -> None:
    assert failing(MAX_TRIES - 1)() == MAX_TRIES


@pytest.mark.django_db(transaction=True)
def test_a_database_that_stays_locked_is_given_up() -> None:
    write = failing(100)

    with pytest.raises(OperationalError, match=LOCKED):
        write()

    assert len(write.calls) == MAX_TRIES


@pytest.mark.django_db(transaction=True)
def test_what_has_been_committed_is_not_written_again() -> None:
    def create_in_transaction() -> None:
        with transaction.atomic():
            Workspace.unscoped.create(name="Once")

    for create in (lambda: Workspace.unscoped.create(name="Once"), create_in_transaction):
        write = failing(1, before=create)
        with pytest.raises(OperationalError, match=LOCKED):
            write()
        assert len(write.calls) == 1

    assert Workspace.unscoped.filter(name="Once").count() == 2


@pytest.mark.django_db(transaction=True)
def test_what_was_undone_is_written_again() -> None:
    tries: list[int] = []

    @retry_when_locked
    def write() -> None:
        with transaction.atomic():
            Workspace.unscoped.create(name="Once")
            tries.append(1)
            if len(tries) == 1:
                raise OperationalError(LOCKED)

    write()

    assert (len(tries), Workspace.unscoped.filter(name="Once").count()) == (2, 1)


@pytest.mark.django_db(transaction=True)
def test_who_has_waited_long_for_a_lock_does_not_wait_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database_locks, "MAX_RETRY_SECONDS", 0.01)
    write = failing(100, before=lambda: time.sleep(0.02))

    with pytest.raises(OperationalError, match=LOCKED):
        write()

    assert len(write.calls) == 1


@pytest.mark.django_db(transaction=True)
def test_another_error_of_the_database_is_raised_at_once() -> None:
    calls: list[int] = []

    @retry_when_locked
    def write() -> None:
        calls.append(1)
        raise OperationalError("no such table: calls")

    with pytest.raises(OperationalError, match="no such table"):
        write()

    assert calls == [1]


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("55P03", "The database is busy"),
        ("57014", "The database is busy"),  # the timeout of statements is over first
        ("08006", None),
    ],
)
def test_a_wait_that_took_too_long_is_not_taken_for_a_lost_database(
    state: str, sentence: str | None
) -> None:
    cause = Exception()
    cause.sqlstate = state  # type: ignore[attr-defined]
    error = OperationalError("canceling statement")
    error.__cause__ = cause

    assert transient_detail(error) == sentence
