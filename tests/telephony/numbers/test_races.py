"""Simultaneous requests, in threads with their own connections."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections
from pytest_django import Settings

from accounts.models import Workspace
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.numbers.livekit import everything

BODY = {
    "phone_number": "+14155550123",
    "provider": "sip",
    "sip": {"address": "sip.carrier.example"},
}
AT_ONCE = 8


def all_at_once(ask: Callable[[int], Any]) -> list[int]:
    """Call `ask(0)`, `ask(1)` … at the same time, and return the statuses of the answers."""

    def one(number: int) -> int:
        try:
            return int(ask(number).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sorted(pool.map(one, range(AT_ONCE)))


@pytest.fixture(autouse=True)
def waiting_requests(settings: Settings) -> None:
    """Requests beyond a process's places wait for one, as they do in production."""
    settings.SLOW_REQUEST_WAIT_SECONDS = 10.0


@pytest.fixture
def workspaces(transactional_db: None) -> list[Workspace]:
    return [make.workspace() for _ in range(AT_ONCE)]


@pytest.mark.postgres
@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="threads cannot share SQLite's database in memory"
)
def test_one_of_many_simultaneous_registrations_wins(
    workspaces: list[Workspace], box: RunningSandbox
) -> None:
    clients = [make.client(workspace) for workspace in workspaces]

    statuses = all_at_once(lambda number: clients[number].post("/phone-numbers", BODY))

    assert statuses == [201] + [409] * (AT_ONCE - 1)
    assert {kind: len(items) for kind, items in everything().items()} == {
        "outbound": 1,
        "inbound": 1,
        "rules": 0,
    }


@pytest.mark.postgres
@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="threads cannot share SQLite's database in memory"
)
def test_at_most_one_of_simultaneous_numbers_and_trunks_wins(
    workspaces: list[Workspace], box: RunningSandbox
) -> None:
    clients = [make.client(workspace) for workspace in workspaces]
    trunk = {
        "direction": "outbound",
        "address": "sip.carrier.example",
        "numbers": [BODY["phone_number"]],
    }

    def ask(number: int) -> Any:
        client = clients[number]
        return (
            client.post("/sip-trunks", trunk) if number % 2 else client.post("/phone-numbers", BODY)
        )

    statuses = all_at_once(ask)

    won = statuses.count(201)
    assert won <= 1
    assert statuses == [201] * won + [409] * (AT_ONCE - won)
    assert len(everything()["outbound"]) == won
