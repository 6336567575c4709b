"""The parts of the soak; its whole runs real processes for minutes (`make soak`)."""

import os
import socket
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Workspace
from ops.demo.client import Api
from ops.management.commands import soak
from ops.soak.attack_process import silent_server
from ops.soak.calm import CALM_RATE, CalmWorkspace
from ops.soak.memory import resident_bytes
from telephony.models import Call
from tests import make


def calm(batch_id: str = "") -> CalmWorkspace:
    api = Api("http://127.0.0.1:9", email="calm@example.com", password="x")
    return CalmWorkspace(api, "", "", batch_id=batch_id)


def test_memory_is_that_of_a_process_and_of_those_it_started() -> None:
    code = "import time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code]) as child:
        found = resident_bytes([os.getpid()])
        child.kill()

    assert found[os.getpid()] > 10_000_000
    assert found[child.pid] > 0


def test_a_process_that_has_ended_has_no_memory() -> None:
    assert resident_bytes([2**22 + 1]) == {2**22 + 1: 0}


def test_the_slowest_of_a_hundred_reads_is_left_out_but_not_the_next() -> None:
    one = calm()
    one.read_seconds = [0.1] * 198 + [0.9, 5.0]

    assert one.slowest_percent() == 0.9


def test_a_batch_that_stops_half_way_has_not_kept_its_pace(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make.batch(ours)
    begin = timezone.now() - timedelta(seconds=100)
    for n in range(21):
        call = make.call(ours, stage="ended", outcome="answered")
        at = begin + timedelta(seconds=n / CALM_RATE)
        Call.unscoped.filter(pk=call.pk).update(batch_id=batch.pk, dialed_at=at)
    one = calm(str(batch.pk))

    monkeypatch.setattr(CalmWorkspace, "planned_seconds", 10.0)
    on_pace = one.pace_share()
    monkeypatch.setattr(CalmWorkspace, "planned_seconds", 20.0)
    stopped_half_way = one.pace_share()

    assert (round(on_pace, 3), round(stopped_half_way, 3)) == (1.0, 0.5)


def test_the_silent_server_accepts_and_does_not_answer() -> None:
    with silent_server() as url:
        port = int(url.rsplit(":", 1)[1].rstrip("/"))
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.settimeout(0.2)
            with pytest.raises(TimeoutError):
                connection.recv(1)


@pytest.mark.parametrize("minutes", ["0", "1000"])
def test_a_soak_without_end_is_refused(minutes: str) -> None:
    with pytest.raises(CommandError, match="--minutes goes up to 13"):
        call_command("soak", "--minutes", minutes)


@pytest.mark.parametrize(("exit_codes", "expected"), [([1, 0, 1], 0), ([1, 1, 1], 1), ([0], 0)])
def test_the_soak_is_repeated_until_one_run_keeps_every_promise(
    monkeypatch: pytest.MonkeyPatch, exit_codes: list[int], expected: int
) -> None:
    codes = iter(exit_codes)
    monkeypatch.setattr(soak.Command, "run_isolated", lambda self, has_servers: next(codes))

    with pytest.raises(SystemExit) as ended:
        call_command("soak", "--minutes", "1", "--tries", "3")

    assert ended.value.code == expected
    assert len(list(codes)) == (1 if expected == 0 and len(exit_codes) > 1 else 0)
