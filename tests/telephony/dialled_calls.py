"""Calls that a dispatcher dials through the sandbox."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from accounts.models import Workspace
from tests import make
from tests.sandbox_server import RunningSandbox
from worker import dispatcher


@contextmanager
def dialling() -> Iterator[None]:
    """Dial what is queued, as a worker does."""
    thread = threading.Thread(target=dispatcher.run_dispatcher)
    thread.start()
    try:
        yield
    finally:
        dispatcher.stopping.set()
        thread.join(20)
        dispatcher.stopping.clear()


def placed(of: Workspace, to: str, **fields: Any) -> str:
    """Order a call by an agent with these fields; returns its id."""
    order = {
        "agent_id": str(make.agent(of, **fields).pk),
        "to": to,
        "variables": {"first_name": "Ada"},
    }
    response = make.client(of).post("/calls", order)
    assert response.status_code == 201, response.json()
    return str(response.json()["id"])


def follow(
    box: RunningSandbox, of: Workspace, call_id: str, status: str = "ended"
) -> dict[str, Any]:
    """Wait until the call has this status; returns it."""
    client = make.client(of)

    def arrived() -> dict[str, Any] | None:
        body: dict[str, Any] = client.get(f"/calls/{call_id}").json()
        return body if body["status"] == status else None

    found: dict[str, Any] = box.wait_for(arrived, timeout=20)
    return found
