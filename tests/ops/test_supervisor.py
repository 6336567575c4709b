"""The supervisor with simple commands instead of ours, so that every kill takes a fraction of a
second.
"""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops.serving.supervisor import Service, StartError, Supervisor, rotate_log
from tests.ops.processes import becomes_true, killed_at_end, processes_of

SLEEPER = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
PARENT = (
    "import subprocess, sys, time; "
    f"subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]); time.sleep(60)"
)


def service(
    tmp_path: Path,
    code: str,
    *,
    name: str = "one",
    stop_seconds: float = 0.3,
    ready: Callable[[], bool] = lambda: True,
) -> Service:
    return Service(
        name,
        (sys.executable, "-c", code),
        tmp_path / "logs" / f"{name}.log",
        stop_seconds=stop_seconds,
        ready=ready,
    )


def service_with_handlers(tmp_path: Path, code: str, *, name: str, stop_seconds: float) -> Service:
    """A service that is ready only when its code has reached `time.sleep(60)`, and so has installed
    its signal handlers.
    """
    mark = tmp_path / f"{name}-is-ready"
    code = code.replace("time.sleep(60)", f"open({str(mark)!r}, 'w').close(); time.sleep(60)")
    return service(tmp_path, code, name=name, stop_seconds=stop_seconds, ready=mark.exists)


@pytest.fixture
def stop_watching() -> Iterator[threading.Event]:
    """An event with which a test's own thread ends `watch`."""
    event = threading.Event()
    yield event
    event.set()


def or_timed_out(condition: Callable[[], bool], *, seconds: float = 20.0) -> Callable[[], bool]:
    """True when the condition holds or the time is up, so that no `watch` lasts for ever."""
    deadline = time.monotonic() + seconds
    return lambda: condition() or time.monotonic() > deadline


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_killed_process_is_started_again_soon(
    tmp_path: Path, mark: str, stop_watching: threading.Event
) -> None:
    reported: list[str] = []
    restart_seconds: list[float] = []

    def kill_and_time() -> None:
        (old,) = processes_of(mark)
        killed_at = time.monotonic()
        os.kill(old, signal.SIGKILL)
        becomes_true(lambda: bool(processes_of(mark) - {old}), seconds=20)
        restart_seconds.append(time.monotonic() - killed_at)
        stop_watching.set()

    with Supervisor([service(tmp_path, SLEEPER)], report=reported.append) as supervisor:
        supervisor.start()
        killer = in_thread(kill_and_time)
        supervisor.watch(until=or_timed_out(stop_watching.is_set))
        killer.join(timeout=10)

    # Just over a second where nothing else is done.
    assert restart_seconds[0] < 10.0
    assert reported == ["one had ended and was started again"]
    assert becomes_true(lambda: processes_of(mark) == set(), seconds=20)


def test_a_process_that_always_dies_is_started_again_and_again(
    tmp_path: Path, stop_watching: threading.Event
) -> None:
    deaths = tmp_path / "deaths"
    code = f"import time; time.sleep(0.4); open({str(deaths)!r}, 'a').write('x')"
    began = time.monotonic()

    with Supervisor([service(tmp_path, code)], report=lambda sentence: None) as supervisor:
        supervisor.start()
        supervisor.watch(
            until=or_timed_out(lambda: deaths.exists() and len(deaths.read_text()) == 3)
        )

    assert time.monotonic() - began > 2.0, "one start a second, no faster"
    assert len(deaths.read_text()) >= 3, "and it goes on"


def test_children_of_a_killed_process_are_gone_before_its_successor_starts(
    tmp_path: Path, mark: str
) -> None:
    with Supervisor([service(tmp_path, PARENT)], report=lambda sentence: None) as supervisor:
        supervisor.start()
        assert becomes_true(lambda: len(processes_of(mark)) == 2, seconds=20)
        before = processes_of(mark)
        os.kill(supervisor.running[0].process.pid, signal.SIGKILL)
        supervisor.watch(until=or_timed_out(lambda: len(processes_of(mark) - before) == 2))

        assert len(processes_of(mark) - before) == 2
        assert processes_of(mark) & before == set()


def test_a_process_that_ignores_sigterm_is_killed_in_the_end(tmp_path: Path, mark: str) -> None:
    with Supervisor(
        [service(tmp_path, STUBBORN), service(tmp_path, PARENT, name="two")],
        report=lambda sentence: None,
    ) as supervisor:
        supervisor.start()
        assert becomes_true(lambda: len(processes_of(mark)) == 3, seconds=20)
        began = time.monotonic()

    assert time.monotonic() - began < 20.0, "they would go on for a minute"
    assert becomes_true(lambda: processes_of(mark) == set(), seconds=20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_watch_and_the_old_handlers_are_restored(
    tmp_path: Path, mark: str, number: signal.Signals
) -> None:
    before = signal.getsignal(number)

    with Supervisor([service(tmp_path, SLEEPER)], report=lambda sentence: None) as supervisor:
        supervisor.start()
        os.kill(os.getpid(), number)
        supervisor.watch()

    assert signal.getsignal(number) is before
    assert becomes_true(lambda: processes_of(mark) == set(), seconds=20)


def test_a_process_that_ends_while_it_starts_is_an_error_with_the_end_of_its_log(
    tmp_path: Path, mark: str
) -> None:
    code = "import sys; sys.exit('no such table: calls')"

    with (
        pytest.raises(StartError) as refusal,
        Supervisor(
            [service(tmp_path, SLEEPER), service(tmp_path, code, name="web", ready=lambda: False)],
            report=print,
        ) as supervisor,
    ):
        supervisor.start()

    log = tmp_path / "logs" / "web.log"
    assert (
        str(refusal.value)
        == f"web ended while it started; its log ends: no such table: calls ({log})"
    )
    assert becomes_true(lambda: processes_of(mark) == set(), seconds=20)


def test_nothing_is_left_when_the_supervisor_itself_is_killed(tmp_path: Path, mark: str) -> None:
    code = f"""
from pathlib import Path
from typing import Any
from ops.serving.supervisor import Service, Supervisor
import sys
log = Path({str(tmp_path)!r}) / "one.log"
service = Service("one", (sys.executable, "-c", {SLEEPER!r}), log)
with Supervisor([service], report=print) as supervisor:
    supervisor.start()
    print("ready", flush=True)
    supervisor.watch()
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    with killed_at_end(parent) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert len(processes_of(mark)) == 2

        process.kill()
        process.wait(timeout=10)

    assert becomes_true(lambda: processes_of(mark) == set(), seconds=20)


def test_stopping_takes_as_long_as_the_slowest_process(tmp_path: Path) -> None:
    stubborn = [
        service_with_handlers(tmp_path, STUBBORN, name=name, stop_seconds=2.0)
        for name in ("one", "two", "three")
    ]

    with Supervisor(stubborn, report=print) as supervisor:
        supervisor.start()
        stopped_at = time.monotonic()

    # One after the other would take six seconds.
    assert 2.0 <= time.monotonic() - stopped_at < 5.0


def test_a_service_that_stops_last_runs_until_the_others_are_gone(tmp_path: Path) -> None:
    last = tmp_path / "last"
    code = (
        "import pathlib, signal, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: pathlib.Path({str(last)!r}).touch() or exit())\n"
        "time.sleep(60)"
    )
    services = [
        replace(
            service_with_handlers(tmp_path, code, name="last", stop_seconds=5.0), stops_last=True
        ),
        service_with_handlers(tmp_path, STUBBORN, name="slow", stop_seconds=2.0),
    ]
    was_stopped: list[bool] = []

    def check_early() -> None:
        time.sleep(0.7)
        was_stopped.append(last.exists())

    with Supervisor(services, report=print) as supervisor:
        supervisor.start()
        checker = in_thread(check_early)

    checker.join(timeout=10)
    assert (was_stopped, last.exists()) == ([False], True)


def test_a_service_that_was_not_ready_in_time_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    monkeypatch.setattr("ops.serving.supervisor.START_SECONDS", 0.5)
    ready = service(tmp_path, SLEEPER, name="one")
    late = service(tmp_path, SLEEPER, name="two", ready=lambda: False)

    with (
        pytest.raises(StartError, match=r"^two was not ready after 0 s"),
        Supervisor([ready, late], report=lambda sentence: None) as supervisor,
    ):
        supervisor.start()

    assert processes_of(mark) == set()


def test_a_log_that_grows_too_long_is_rotated_while_its_process_runs(
    tmp_path: Path, settings: Any
) -> None:
    settings.MAX_LOG_BYTES = 10_000
    code = "import time\nfor n in range(2000): print(f'line {n:04}', flush=True); time.sleep(0.001)"
    one = service(tmp_path, code + "\ntime.sleep(60)")
    log, earlier = one.log, one.log.with_suffix(".log.1")

    with Supervisor([one], report=lambda sentence: None) as supervisor:
        supervisor.start()
        sizes: list[int] = []

        def look() -> bool:
            supervisor.rotate_logs()
            sizes.append(log.stat().st_size)
            return "line 1999" in log.read_text() + (
                earlier.read_text() if earlier.exists() else ""
            )

        supervisor.watch(until=or_timed_out(look))

    lines = (earlier.read_text() + log.read_text()).split("\n")
    assert "line 1999" in lines
    assert max(sizes) <= 12_000
    assert b"\0" not in log.read_bytes()


def test_a_log_is_emptied_even_if_a_full_disk_has_no_room_for_its_copy(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    settings.MAX_LOG_BYTES = 10
    log = tmp_path / "web.log"
    log.write_bytes(b"x" * 11)
    monkeypatch.setattr("shutil.copyfile", fill)

    rotate_log(log)

    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == {"web.log": 0}
