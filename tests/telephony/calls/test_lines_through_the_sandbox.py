"""Silent carriers, dead agents and rooms at their end, with real clients, sandbox and server."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections

from accounts.models import Workspace
from telephony.dialing.lost_agents import AgentWatch
from telephony.models import PhoneNumber
from telephony.services import maintenance
from telephony.services.numbers import NumberOrder, register_number
from telephony.services.trunk_config import SipSettings
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.dialled_calls import dialling, follow, placed

pytestmark = pytest.mark.slow

TO = "+12025550110"
# What the watch needs at most: LiveKit reports a dead agent after 21 simulated seconds.
END_OF_A_LOST_CALL_SECONDS = 12.0


@pytest.fixture
def number(ours: Workspace, box: RunningSandbox) -> PhoneNumber:
    order = NumberOrder(
        "+12025550100", sip=SipSettings(address="sip.example.com"), calls_per_second=20
    )
    return register_number(workspace=ours, order=order)


@contextmanager
def watching() -> Iterator[None]:
    """Watch calls as a worker does."""
    stopped = threading.Event()

    def watch() -> None:
        agents = AgentWatch()
        while not stopped.wait(0.3):
            maintenance.watch_calls(agents)
        connections.close_all()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(20)


def events_of(of: Workspace, call_id: str) -> list[str]:
    items = make.client(of).get(f"/calls/{call_id}/events").json()["items"]
    return [event["type"] for event in items]


def test_carrier_that_says_nothing_is_told_from_a_phone_that_rings_out(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber
) -> None:
    box.set_behaviours({TO: {"silent": True}})
    call_ids = [placed(ours, to) for to in (TO, "+12025550160")]

    with dialling():
        silent, rang = (follow(box, ours, call_id) for call_id in call_ids)

    assert [(call["outcome"], call["end_reason"]) for call in (silent, rang)] == [
        ("carrier_error", "carrier_silent"),
        ("no_answer", "ringing_timeout"),
    ]
    assert silent["ringing_at"] is None
    assert rang["ringing_at"] is not None


def test_answered_call_whose_agent_dies_is_ended(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber
) -> None:
    box.set_behaviours({TO: {"talk": 2000, "agent_dies": 2}})
    call_id = placed(ours, TO)

    with dialling(), watching():
        follow(box, ours, call_id, status="in_progress")
        call = follow(box, ours, call_id)
        box.wait_for(lambda: not box.rooms())

    assert (call["outcome"], call["end_reason"], call["hung_up_by"]) == (
        "answered",
        "agent_lost",
        None,
    )
    assert call["duration_seconds"] < END_OF_A_LOST_CALL_SECONDS
    events = events_of(ours, call_id)
    assert events.index("alarm") < events.index("ended")


@pytest.mark.parametrize("to", ["+12025550110", "+12025550171", "+12025550160"])
def test_deleted_rooms_do_not_come_back(
    ours: Workspace, box: RunningSandbox, number: PhoneNumber, to: str
) -> None:
    box.set_faults(double_delete_rate=1.0)
    call_id = placed(ours, to)

    with dialling(), watching():
        call: dict[str, Any] = follow(box, ours, call_id)
        box.wait_for(lambda: not box.rooms())

    events = events_of(ours, call_id)
    assert call["outcome"] is not None
    assert "agent_joined" not in events[events.index("ended") :]
