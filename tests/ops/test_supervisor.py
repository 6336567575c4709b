"""With stand-in commands, so that every kill takes a fraction of a second."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ops.serving.supervisor import Service, StartError, Supervisor
from tests.ops.processes import eventually, marked

SLEEPER = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
PARENT = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]); time.sleep(60)"


def service(
    tmp_path: Path,
    code: str,
    *,
    name: str = "one",
    patience: float = 0.3,
    ready: Callable[[], bool] = lambda: True,
) -> Service:
    return Service(
        name,
        (sys.executable, "-c", code),
        tmp_path / "logs" / f"{name}.log",
        patience=patience,
        ready=ready,
    )


def minded(tmp_path: Path, code: str, *, name: str, patience: float) -> Service:
    """A service that is ready once its code has run up to its last word, `time.sleep(60)`, and
    minds signals so.
    """
    mark = tmp_path / f"{name}-is-ready"
    code = code.replace("time.sleep(60)", f"open({str(mark)!r}, 'w').close(); time.sleep(60)")
    return service(tmp_path, code, name=name, patience=patience, ready=mark.exists)


@pytest.fixture
def lifted_hand() -> Iterator[threading.Event]:
    """Ends `watch` from a test's own thread."""
    event = threading.Event()
    yield event
    event.set()


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_killed_process_is_started_again_within_two_seconds(
    tmp_path: Path, mark: str, lifted_hand: threading.Event
) -> None:
    said: list[str] = []
    took: list[float] = []

    def kill_and_time() -> None:
        (old,) = marked(mark)
        killed_at = time.monotonic()
        os.kill(old, signal.SIGKILL)
        eventually(lambda: bool(marked(mark) - {old}), seconds=5)
        took.append(time.monotonic() - killed_at)
        lifted_hand.set()

    with Supervisor([service(tmp_path, SLEEPER)], tell=said.append) as supervisor:
        supervisor.start()
        killer = in_thread(kill_and_time)
        supervisor.watch(until=lifted_hand.is_set)
        killer.join()

    assert took[0] < 2.0
    assert said == ["one had ended and was started again"]
    assert eventually(
        lambda: marked(mark) == set(), seconds=2
    )  # who is killed is gone a moment later


def test_it_goes_on_starting_a_process_that_dies_every_time(
    tmp_path: Path, lifted_hand: threading.Event
) -> None:
    deaths = tmp_path / "deaths"
    code = f"import time; time.sleep(0.4); open({str(deaths)!r}, 'a').write('x')"
    began = time.monotonic()

    with Supervisor([service(tmp_path, code)], tell=lambda sentence: None) as supervisor:
        supervisor.start()
        supervisor.watch(until=lambda: deaths.exists() and len(deaths.read_text()) == 3)

    assert 2.0 < time.monotonic() - began < 5.0, "one start a second, no faster and no back-off"


def test_what_a_killed_process_had_started_is_gone_before_its_successor_comes(
    tmp_path: Path, mark: str
) -> None:
    with Supervisor([service(tmp_path, PARENT)], tell=lambda sentence: None) as supervisor:
        supervisor.start()
        assert eventually(lambda: len(marked(mark)) == 2, seconds=5)
        before = marked(mark)
        os.kill(supervisor.running[0].process.pid, signal.SIGKILL)
        supervisor.watch(until=lambda: len(marked(mark) - before) == 2)

        assert marked(mark) & before == set()


def test_a_process_that_will_not_listen_is_killed_in_the_end(tmp_path: Path, mark: str) -> None:
    with Supervisor(
        [service(tmp_path, STUBBORN), service(tmp_path, PARENT, name="two")],
        tell=lambda sentence: None,
    ) as supervisor:
        supervisor.start()
        assert eventually(lambda: len(marked(mark)) == 3, seconds=5)
        began = time.monotonic()

    assert time.monotonic() - began < 2.0
    assert eventually(
        lambda: marked(mark) == set(), seconds=2
    )  # who is killed is gone a moment later


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_watch_and_the_old_handlers_come_back(
    tmp_path: Path, mark: str, number: signal.Signals
) -> None:
    before = signal.getsignal(number)

    with Supervisor([service(tmp_path, SLEEPER)], tell=lambda sentence: None) as supervisor:
        supervisor.start()
        os.kill(os.getpid(), number)
        supervisor.watch()

    assert signal.getsignal(number) is before
    assert eventually(
        lambda: marked(mark) == set(), seconds=2
    )  # who is killed is gone a moment later


def test_a_process_that_ends_while_it_starts_is_an_error_with_the_end_of_its_log(
    tmp_path: Path, mark: str
) -> None:
    code = "import sys; sys.exit('no such table: calls')"

    with (
        pytest.raises(StartError) as refusal,
        Supervisor(
            [service(tmp_path, SLEEPER), service(tmp_path, code, name="web", ready=lambda: False)],
            tell=print,
        ) as supervisor,
    ):
        supervisor.start()

    log = tmp_path / "logs" / "web.log"
    assert (
        str(refusal.value)
        == f"web ended while it started; its log ends: no such table: calls ({log})"
    )
    assert eventually(
        lambda: marked(mark) == set(), seconds=2
    )  # who is killed is gone a moment later


def test_nothing_is_left_when_the_supervisor_itself_is_killed(tmp_path: Path, mark: str) -> None:
    code = f"""
from pathlib import Path
from ops.serving.supervisor import Service, Supervisor
import sys
log = Path({str(tmp_path)!r}) / "one.log"
with Supervisor([Service("one", (sys.executable, "-c", {SLEEPER!r}), log)], tell=print) as supervisor:
    supervisor.start()
    print("ready", flush=True)
    supervisor.watch()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert len(marked(mark)) == 2

        process.kill()
        process.wait()

    assert eventually(lambda: marked(mark) == set(), seconds=2)


def test_the_slowest_alone_decides_how_long_stopping_takes(tmp_path: Path) -> None:
    stubborn = [
        minded(tmp_path, STUBBORN, name=name, patience=1.0) for name in ("one", "two", "three")
    ]

    with Supervisor(stubborn, tell=print) as supervisor:
        supervisor.start()
        asked_at = time.monotonic()

    assert 1.0 <= time.monotonic() - asked_at < 2.5


def test_what_outlives_the_others_is_there_until_they_are_gone(tmp_path: Path) -> None:
    last = tmp_path / "last"
    code = (
        "import pathlib, signal, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: pathlib.Path({str(last)!r}).touch() or exit())\n"
        "time.sleep(60)"
    )
    services = [
        replace(minded(tmp_path, code, name="last", patience=5.0), outlives=True),
        minded(tmp_path, STUBBORN, name="slow", patience=2.0),
    ]
    seen: list[bool] = []

    def look() -> None:
        time.sleep(0.7)
        seen.append(last.exists())

    with Supervisor(services, tell=print) as supervisor:
        supervisor.start()
        looker = in_thread(look)

    looker.join()
    assert (seen, last.exists()) == ([False], True)


def test_the_one_that_was_not_ready_in_time_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    monkeypatch.setattr("ops.serving.supervisor.START_SECONDS", 0.5)
    ready = service(tmp_path, SLEEPER, name="one")
    late = service(tmp_path, SLEEPER, name="two", ready=lambda: False)

    with (
        pytest.raises(StartError, match=r"^two was not ready after 0 s"),
        Supervisor([ready, late], tell=lambda sentence: None) as supervisor,
    ):
        supervisor.start()

    assert marked(mark) == set()
