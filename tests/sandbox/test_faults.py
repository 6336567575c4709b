"""Faults on demand, delivery of events to a receiver that fails, and what survives a
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
from tests.sandbox.receiver import run_receiver
from tests.sandbox_server import RunningSandbox

TALKER = "+12025550101"


async def outcome(box: RunningSandbox, **fields: Any) -> tuple[str, int]:
    """Dial once. Returns the result for the client and the number of INVITEs sent."""
    try:
        await dial(box, TALKER, **fields)
        result = "answered"
    except api.ServerError as error:
        result = f"{error.status} {error.code}"
    except aiohttp.ServerDisconnectedError:
        result = "disconnected"
    except aiohttp.ClientOSError:
        result = "reset"
    return result, len(box.dials())


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("refuse_rate", ("reset", 0)),
        ("error_before_rate", ("503 unavailable", 0)),
        ("error_after_dial_rate", ("500 internal", 1)),
        ("drop_after_dial_rate", ("disconnected", 1)),
    ],
)
async def test_fault_happens_before_or_after_the_dial(
    fault: str, expected: tuple[str, int]
) -> None:
    with sandbox_server.start() as box:
        box.set_faults(**{fault: 1})

        assert await outcome(box) == expected


async def test_hanging_request_has_dialled() -> None:
    with sandbox_server.start(speed=500) as box:
        box.set_faults(hang_rate=1, hang_seconds=0.5)
        started = time.monotonic()

        assert await outcome(box) == ("answered", 1)
        assert time.monotonic() - started > 0.5


async def test_faults_apply_to_dials_only_and_can_be_cleared() -> None:
    with sandbox_server.start(speed=500) as box:
        box.set_faults(seed=7, refuse_rate=1)
        async with livekit(box) as lk:
            await make_trunk(lk)
        assert box.control("GET", "faults")["refuse_rate"] == 1

        ended = box.control("DELETE", "faults")

        assert ended["refuse_rate"] == 0
        assert await outcome(box) == ("answered", 1)


def test_same_seed_gives_the_same_faults() -> None:
    rates = Rates(
        seed=42, refuse_rate=0.1, error_before_rate=0.1, hang_rate=0.2, webhook_loss_rate=0.3
    )
    one, other = Faults(rates), Faults(rates)

    faults = [one.draw_dial_fault() for _ in range(500)]
    for _ in range(17):
        other.draw_webhook_copies()  # the number of events does not matter

    assert [other.draw_dial_fault() for _ in range(500)] == faults
    assert faults.count("refuse") == pytest.approx(50, abs=20)
    assert faults.count("hang") == pytest.approx(100, abs=30)
    assert faults.count("drop_after_dial") == 0


async def make_rooms(box: RunningSandbox, *names: str) -> None:
    async with livekit(box) as lk:
        for name in names:
            await lk.room.create_room(api.CreateRoomRequest(name=name))
            await lk.room.delete_room(api.DeleteRoomRequest(room=name))
    await asyncio.to_thread(box.wait_until_idle)


async def test_event_is_retried_after_a_5xx_and_keeps_its_order() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(webhook_url=f"{receiver.url}/events") as box,
    ):
        receiver.statuses = [500]
        started = time.monotonic()
        await make_rooms(box, "room")

    assert [e.event for e in receiver.events()] == ["room_started", "room_started", "room_finished"]
    first, second, _ = receiver.events()
    assert first.id == second.id
    assert time.monotonic() - started > 1


async def test_event_answered_with_a_4xx_is_lost() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(webhook_url=f"{receiver.url}/events") as box,
    ):
        receiver.statuses = [404]
        await make_rooms(box, "room")

    assert [e.event for e in receiver.events()] == ["room_started", "room_finished"]


async def test_events_can_be_lost_duplicated_and_excluded() -> None:
    with run_receiver() as receiver:
        with sandbox_server.start(webhook_url=f"{receiver.url}/events") as box:
            box.set_faults(webhook_loss_rate=1)
            await make_rooms(box, "lost")
            box.set_faults(webhook_duplicate_rate=1)
            await make_rooms(box, "doubled")
        with sandbox_server.start(
            webhook_url=f"{receiver.url}/events", webhook_exclude=frozenset({"room_started"})
        ) as box:
            await make_rooms(box, "excluded")

    assert [(e.room.name, e.event) for e in receiver.events()] == [
        ("doubled", "room_started"),
        ("doubled", "room_started"),
        ("doubled", "room_finished"),
        ("doubled", "room_finished"),
        ("excluded", "room_finished"),
    ]
    assert len({e.id for e in receiver.events()}) == 3


async def test_events_can_be_reordered() -> None:
    with (
        run_receiver() as receiver,
        sandbox_server.start(webhook_url=f"{receiver.url}/events") as box,
    ):
        box.set_faults(webhook_reorder=True)
        await make_rooms(box, *[f"room-{n}" for n in range(12)])

    order = [e.event for e in receiver.events()]
    assert order != ["room_started", "room_finished"] * 12
    assert sorted(order) == ["room_finished"] * 12 + ["room_started"] * 12


def test_store_restores_its_rows_and_ignores_an_incomplete_line(tmp_path: Path) -> None:
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


def test_two_stores_cannot_share_a_directory(tmp_path: Path) -> None:
    store = Store(tmp_path)

    with pytest.raises(DataDirInUseError):
        Store(tmp_path)

    store.close()


@contextmanager
def process(data_dir: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `manage.py sandbox` in a process. Yields it and its URL."""
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


def test_command_exits_with_status_0_on_sigterm(tmp_path: Path) -> None:
    with process(tmp_path) as (running, url):
        assert requests.get(url, timeout=5).json() == {"status": "OK"}

        running.send_signal(signal.SIGTERM)

        assert running.wait(10) == 0


def test_directory_in_use_is_reported_in_one_line(tmp_path: Path) -> None:
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
    with run_receiver() as receiver, sandbox_server.start(speed=200) as box:
        box.set_faults(report_loss_rate=1)
        async with livekit(box) as lk:
            agent = api.RoomAgentDispatch(
                agent_name="voiceops",
                metadata=json.dumps(
                    {"report_url": f"{receiver.url}/report/c1", "report_token": "t"}
                ),
            )
            await lk.room.create_room(api.CreateRoomRequest(name="room", agents=[agent]))
            await asyncio.sleep(0.1)
            await lk.room.delete_room(api.DeleteRoomRequest(room="room"))
        await asyncio.to_thread(box.wait_until_idle)

    assert receiver.posts == []


def test_state_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    Store(tmp_path).close()

    assert [oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == ["0o600", "0o600"]
