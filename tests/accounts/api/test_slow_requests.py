"""Requests that wait on an outside service leave threads for everybody else."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections
from pytest_django import Settings

from accounts.api.slow_requests import places, reserve_place
from accounts.models import Workspace
from batches.reporting import summary
from tests import make

BUSY = {"detail": "Too many long requests at the same time; try again"}
pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def silent_service() -> Iterator[str]:
    """The address of a server that accepts connections and answers nothing until it is closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def wait_until_reserved(count: int) -> None:
    ends_at = time.monotonic() + 10
    while places.by_workspace.total() != count and time.monotonic() < ends_at:
        time.sleep(0.01)
    assert places.by_workspace.total() == count


def ask_livekit(of: Workspace) -> Any:
    number = make.phone_number(of)
    client = make.client(of)

    def request() -> Any:
        try:
            return client.get(f"/phone-numbers/{number.pk}/drift")
        finally:
            connections.close_all()

    return request


def test_waiting_requests_have_a_budget_and_the_rest_is_served(
    ours: Workspace, theirs: Workspace, settings: Settings
) -> None:
    ask, ask_theirs, reader = ask_livekit(ours), ask_livekit(theirs), make.client(ours)
    with ThreadPoolExecutor(8) as pool:
        with silent_service() as url:
            settings.LIVEKIT_URL = url
            waiting = [pool.submit(ask) for _ in range(3)]
            wait_until_reserved(3)
            beyond = ask()
            waiting.append(pool.submit(ask_theirs))
            wait_until_reserved(4)
            beyond_theirs = ask_theirs()
            read = reader.get("/agents")
            still_waiting = [not request.done() for request in waiting]
        answers = [request.result(20).status_code for request in waiting]

    assert (beyond.status_code, beyond.json(), beyond["Retry-After"]) == (503, BUSY, "2")
    assert (beyond_theirs.status_code, beyond_theirs.json()) == (503, BUSY)
    assert (read.status_code, still_waiting) == (200, [True] * 4)
    assert answers == [500] * 4
    assert not places.by_workspace


def test_a_download_keeps_its_place_until_its_last_byte(
    ours: Workspace, settings: Settings
) -> None:
    settings.SLOW_REQUESTS_PER_WORKSPACE = 1
    batch = make.batch(ours)
    client = make.client(ours)

    download: Any = client.get(f"/batches/{batch.pk}/results.csv")
    beyond = client.get(f"/batches/{batch.pk}/results.csv")
    b"".join(download.streaming_content)
    download.close()
    after = client.get(f"/batches/{batch.pk}/results.csv")
    after.close()

    assert (download.status_code, beyond.status_code, after.status_code) == (200, 503, 200)
    assert not places.by_workspace


def test_a_refused_request_uses_up_no_idempotency_key(ours: Workspace, settings: Settings) -> None:
    settings.SLOW_REQUESTS_PER_WORKSPACE = 0
    client = make.client(ours)
    number = make.phone_number(ours)
    repair = f"/phone-numbers/{number.pk}/repair"

    refused = client.post(repair, headers={"Idempotency-Key": "once"})
    settings.SLOW_REQUESTS_PER_WORKSPACE = 3
    settings.LIVEKIT_URL = "http://127.0.0.1:9"
    again = client.post(repair, headers={"Idempotency-Key": "once"})

    assert (refused.status_code, refused.json()) == (503, BUSY)
    assert again.status_code == 500
    assert not places.by_workspace


@pytest.mark.parametrize("path", ["/analytics/summary", "/calls/export.csv"])
def test_reports_of_one_workspace_leave_places_for_anothers(
    ours: Workspace, theirs: Workspace, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "LARGE_SUMMARY_CALLS", 0)
    for workspace in (ours, theirs):
        make.call(workspace)
    held = [reserve_place(str(ours.pk)) for _ in range(3)]

    beyond = make.client(ours).get(path)
    neighbours: Any = make.client(theirs).get(path)
    neighbours.close()
    for give_back in held:
        give_back()

    assert (beyond.status_code, beyond.json()) == (503, BUSY)
    assert neighbours.status_code == 200
    assert not places.by_workspace


def test_summaries_of_few_calls_need_no_place(ours: Workspace, settings: Settings) -> None:
    settings.SLOW_REQUESTS_PER_WORKSPACE = 0
    make.call(ours)

    answer = make.client(ours).get("/analytics/summary")

    assert answer.status_code == 200
