"""Reports: spooled first, in order, once each, whatever the control plane answers."""

import asyncio
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from voice.journal import Journal
from voice.settings import Settings, read_settings
from voice.tests.control_plane import ControlPlane, add_turns
from voice.worker.reaper import Reaper
from voice.worker.reports import Reporter
from voice.worker.spool import CallInUseError, Header, Spool, spooled

Make = Callable[..., Spool]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"VOICE_SPOOL": str(tmp_path / "spool")})


async def test_events_arrive_once_and_in_order(
    control_plane: ControlPlane, make_spool: Make
) -> None:
    reporter = Reporter(make_spool(control_plane.url))
    reporter.start()
    texts = add_turns(Journal(reporter.add), 1000)

    assert await reporter.close(5.0)
    assert control_plane.texts() == texts
    assert control_plane.posts <= 4


async def test_nothing_is_lost_while_the_control_plane_is_away(
    control_plane: ControlPlane, make_spool: Make
) -> None:
    control_plane.is_away = True
    reporter = Reporter(make_spool(control_plane.url))
    reporter.start()
    texts = add_turns(Journal(reporter.add), 5)
    assert not await reporter.flush(0.6)

    control_plane.is_away = False
    assert await reporter.close(5.0)
    assert control_plane.texts() == texts


@pytest.mark.parametrize("status", [401, 404])
async def test_a_call_that_is_unknown_is_reported_no_more(
    status: int, control_plane: ControlPlane, make_spool: Make
) -> None:
    control_plane.status = status
    reporter = Reporter(make_spool(control_plane.url))
    reporter.start()
    add_turns(Journal(reporter.add), 3)

    await asyncio.wait_for(reporter.call_over.wait(), 5.0)
    assert control_plane.posts == 1


async def test_an_agent_is_called_off_when_the_call_has_ended(
    control_plane: ControlPlane, make_spool: Make
) -> None:
    control_plane.detail = "Call has ended"
    reporter = Reporter(make_spool(control_plane.url))
    reporter.start()
    add_turns(Journal(reporter.add), 1)

    await asyncio.wait_for(reporter.call_over.wait(), 5.0)
    await reporter.close(1.0)


async def test_an_agent_reports_again_and_again_that_it_is_alive(
    control_plane: ControlPlane, make_spool: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voice.worker.reports.ALIVE_INTERVAL_SECONDS", 0.1)
    reporter = Reporter(make_spool(control_plane.url))
    reporter.start()

    async with asyncio.timeout(10.0):
        while len(control_plane.events) < 3:
            await asyncio.sleep(0.02)
    await reporter.close(1.0)

    # Three with ids of their own: what came again would not be stored.
    assert {event["type"] for event in control_plane.events} == {"agent_alive"}


def test_a_call_is_one_process_s(make_spool: Make) -> None:
    first = make_spool("http://127.0.0.1:1/report")

    with pytest.raises(CallInUseError):
        make_spool("http://127.0.0.1:1/report")
    assert Spool.claim(first.path) is None


def hold(folder: Path, url: str, ready: Any) -> None:
    """A call's process: it reports two turns, and hangs."""
    spool = Spool.create(folder, Header("call", "vo-call", url, "token", 1))
    add_turns(Journal(spool.append), 2)
    ready.set()
    time.sleep(60)


async def test_a_killed_process_ends_its_call_and_loses_no_event(
    control_plane: ControlPlane, settings: Settings
) -> None:
    deleted: list[str] = []

    def delete(_: Settings, room: str) -> bool:
        deleted.append(room)
        return True

    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    process = spawn.Process(target=hold, args=(settings.spool, control_plane.url, ready))
    process.start()
    reaper = Reaper(settings, delete)
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, ready.wait, 20)
    assert await loop.run_in_executor(None, reaper.reap) == 0
    assert control_plane.events == []

    process.kill()
    await loop.run_in_executor(None, process.join)
    assert await loop.run_in_executor(None, reaper.reap) == 0

    assert deleted == ["vo-call"]
    assert control_plane.texts() == ["turn 0", "turn 1"]
    assert control_plane.events[-1]["reason"] == "agent_crashed"
    assert list(spooled(settings.spool)) == []


async def test_the_supervisor_delivers_later_what_it_cannot_deliver_now(
    control_plane: ControlPlane, make_spool: Make, settings: Settings
) -> None:
    spool = make_spool(control_plane.url)
    journal = Journal(spool.append)
    texts = add_turns(journal, 3)
    journal.add("ended", reason="agent_hangup")
    spool.close()
    control_plane.is_away = True
    reaper = Reaper(settings, lambda *_: True)
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, reaper.reap) == 1

    control_plane.is_away = False
    await asyncio.sleep(1.1)
    assert await loop.run_in_executor(None, reaper.reap) == 0
    assert control_plane.texts() == texts
    assert [event["type"] for event in control_plane.events].count("ended") == 1


def test_a_line_that_was_not_finished_is_left_out(make_spool: Make) -> None:
    spool = make_spool("http://127.0.0.1:1/report")
    add_turns(Journal(spool.append), 1)
    spool.close()
    with spool.path.open("a") as file:
        file.write('{"id": "half')

    claimed = Spool.claim(spool.path)
    assert claimed is not None
    assert [event["text"] for event in claimed.events] == ["turn 0"]
