"""Faults on demand, delivery of events when the receiver is in trouble, and what survives a
restart.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests
from livekit import api

from sandbox.faults import Faults, Rates
from sandbox.store import DataDirInUseError, Store
from tests import sandbox_server
from tests.sandbox.calling import dial, invite, make_trunk
from tests.sandbox.clients import livekit
from tests.sandbox.inbox import inbox
from tests.sandbox_server import RunningSandbox

TALKER = "+12025550101"


async def outcome(box: RunningSandbox, **fields: Any) -> tuple[str, int]:
    """How one dial ended for the client, and how many INVITEs were sent."""
    try:
        await dial(box, TALKER, **fields)
        told = "answered"
    except api.ServerError as error:
        told = f"{error.status} {error.code}"
    except aiohttp.ServerDisconnectedError:
        told = "disconnected"
    except aiohttp.ClientOSError:
        told = "reset"
    return told, len(box.dials())


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("refuse_rate", ("reset", 0)),
        ("error_before_rate", ("503 unavailable", 0)),
        ("error_after_dial_rate", ("500 internal", 1)),
        ("drop_after_dial_rate", ("disconnected", 1)),
    ],
)
async def test_a_fault_strikes_where_it_says(fault: str, expected: tuple[str, int]) -> None:
    with sandbox_server.start() as box:
        box.faults(**{fault: 1})

        assert await outcome(box) == expected


async def test_a_hanging_request_has_dialled() -> None:
    with sandbox_server.start(speed=500) as box:
        box.faults(hang_rate=1, hang_seconds=0.5)
        started = time.monotonic()

        assert await outcome(box) == ("answered", 1)
        assert time.monotonic() - started > 0.5


async def test_faults_leave_other_methods_alone_and_can_be_ended() -> None:
    with sandbox_server.start(speed=500) as box:
        box.faults(seed=7, refuse_rate=1)
        async with livekit(box) as lk:
            await make_trunk(lk)
        assert box.control("GET", "faults")["refuse_rate"] == 1

        ended = box.control("DELETE", "faults")

        assert ended["refuse_rate"] == 0
        assert await outcome(box) == ("answered", 1)


def test_the_same_seed_gives_the_same_faults() -> None:
    rates = Rates(
        seed=42, refuse_rate=0.1, error_before_rate=0.1, hang_rate=0.2, webhook_loss_rate=0.3
    )
    one, other = Faults(rates), Faults(rates)

    struck = [one.draw_dial_fault() for _ in range(500)]
    for _ in range(17):
        other.draw_webhook_copies()  # how many events there were does not matter

    assert [other.draw_dial_fault() for _ in range(500)] == struck
    assert struck.count("refuse") == pytest.approx(50, abs=20)
    assert struck.count("hang") == pytest.approx(100, abs=30)
    assert struck.count("drop_after_dial") == 0


async def make_rooms(box: RunningSandbox, *names: str) -> None:
    async with livekit(box) as lk:
        for name in names:
            await lk.room.create_room(api.CreateRoomRequest(name=name))
            await lk.room.delete_room(api.DeleteRoomRequest(room=name))
    await asyncio.to_thread(box.wait_until_quiet)


async def test_an_event_is_tried_again_after_a_5xx_and_keeps_its_place() -> None:
    with inbox() as mail, sandbox_server.start(webhook_url=f"{mail.url}/events") as box:
        mail.statuses = [500]
        started = time.monotonic()
        await make_rooms(box, "room")

    assert [e.event for e in mail.events()] == ["room_started", "room_started", "room_finished"]
    first, second, _ = mail.events()
    assert first.id == second.id
    assert time.monotonic() - started > 1


async def test_a_4xx_loses_the_event() -> None:
    with inbox() as mail, sandbox_server.start(webhook_url=f"{mail.url}/events") as box:
        mail.statuses = [404]
        await make_rooms(box, "room")

    assert [e.event for e in mail.events()] == ["room_started", "room_finished"]


async def test_events_can_be_lost_doubled_and_left_out() -> None:
    with inbox() as mail:
        with sandbox_server.start(webhook_url=f"{mail.url}/events") as box:
            box.faults(webhook_loss_rate=1)
            await make_rooms(box, "lost")
            box.faults(webhook_duplicate_rate=1)
            await make_rooms(box, "doubled")
        with sandbox_server.start(
            webhook_url=f"{mail.url}/events", webhook_exclude=frozenset({"room_started"})
        ) as box:
            await make_rooms(box, "excluded")

    assert [(e.room.name, e.event) for e in mail.events()] == [
        ("doubled", "room_started"),
        ("doubled", "room_started"),
        ("doubled", "room_finished"),
        ("doubled", "room_finished"),
        ("excluded", "room_finished"),
    ]
    assert len({e.id for e in mail.events()}) == 3


async def test_events_can_come_in_disorder() -> None:
    with inbox() as mail, sandbox_server.start(webhook_url=f"{mail.url}/events") as box:
        box.faults(webhook_reorder=True)
        await make_rooms(box, *[f"room-{n}" for n in range(12)])

    order = [e.event for e in mail.events()]
    assert order != ["room_started", "room_finished"] * 12
    assert sorted(order) == ["room_finished"] * 12 + ["room_started"] * 12


def test_what_was_put_is_there_again_and_a_torn_line_is_not(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("calls", "a", {"n": 1})
    store.put("calls", "b", {"n": 2})
    store.put("calls", "a", {"n": 3})
    store.delete("calls", "b")
    store.put("trunks", "t", {})
    store.clear("trunks")
    store.close()
    with (tmp_path / "sandbox.jsonl").open("ab") as file:
        file.write(b'["calls","c",{"n"')

    again = Store(tmp_path)

    assert (again.table("calls"), again.table("trunks")) == ({"a": {"n": 3}}, {})
    again.close()


def test_two_sandboxes_do_not_share_a_directory(tmp_path: Path) -> None:
    store = Store(tmp_path)

    with pytest.raises(DataDirInUseError):
        Store(tmp_path)

    store.close()


@contextmanager
def process(data_dir: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`manage.py sandbox` in a process of its own, and where it listens."""
    command = [
        sys.executable,
        "manage.py",
        "sandbox",
        "--port",
        "0",
        "--speed",
        "20",
        "--data-dir",
        str(data_dir),
    ]
    env = {**os.environ, "DEBUG": "1"}
    with subprocess.Popen(
        [*command, "--webhook-url", "", *more], stderr=subprocess.PIPE, text=True, env=env
    ) as running:
        assert running.stderr is not None
        line = running.stderr.readline()
        assert line.startswith("Sandbox: "), line
        try:
            yield running, line.split(" at ")[1].split(",")[0]
        finally:
            running.kill()


async def test_killing_the_sandbox_loses_no_dial(tmp_path: Path) -> None:
    with process(tmp_path) as (running, url):
        async with api.LiveKitAPI(
            url, "sandbox", "example-livekit-secret-of-the-sandbox-0123456789", failover=False
        ) as lk:
            trunk = await make_trunk(lk)
            for n in range(20):
                request = invite(trunk, TALKER, room_name=f"room-{n}", wait_until_answered=False)
                await lk.sip.create_sip_participant(request, timeout=10)
        running.send_signal(signal.SIGKILL)
        running.wait(10)

    with sandbox_server.start(data_dir=tmp_path) as box:
        async with livekit(box) as lk:
            found = await lk.sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())
        dials, calls = box.dials(), box.calls()

    assert [t.sip_trunk_id for t in found.items] == [trunk]
    assert [d["room"] for d in dials] == [f"room-{n}" for n in range(20)]
    assert {c["status"] for c in calls} == {"ended"}


def test_the_command_ends_on_sigterm_with_status_0(tmp_path: Path) -> None:
    with process(tmp_path) as (running, url):
        assert requests.get(url, timeout=5).json() == {"status": "OK"}

        running.send_signal(signal.SIGTERM)

        assert running.wait(10) == 0


def test_a_taken_directory_is_one_clear_line(tmp_path: Path) -> None:
    with sandbox_server.start(data_dir=tmp_path):
        refused = subprocess.run(
            [sys.executable, "-m", "sandbox", "--port", "0", "--data-dir", str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert refused.returncode == 1
    assert (
        refused.stderr
        == f"The sandbox cannot start: Another sandbox works in {tmp_path / 'sandbox'}\n"
    )


async def test_reports_can_be_lost() -> None:
    with inbox() as mail, sandbox_server.start(speed=200) as box:
        box.faults(report_loss_rate=1)
        async with livekit(box) as lk:
            agent = api.RoomAgentDispatch(
                agent_name="voiceops",
                metadata=json.dumps({"report_url": f"{mail.url}/report/c1", "report_token": "t"}),
            )
            await lk.room.create_room(api.CreateRoomRequest(name="room", agents=[agent]))
            await asyncio.sleep(0.1)
            await lk.room.delete_room(api.DeleteRoomRequest(room="room"))
        await asyncio.to_thread(box.wait_until_quiet)

    assert mail.posts == []


def test_what_the_sandbox_remembers_is_its_owners_alone(tmp_path: Path) -> None:
    Store(tmp_path).close()

    assert [oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == ["0o600", "0o600"]
