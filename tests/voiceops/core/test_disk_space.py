"""What is used of DATA_DIR and its disk, and what a full disk does to cache, broker and worker."""

import errno
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError

from voiceops.core import disk_space, file_broker, isolation, task_queue
from voiceops.core.disk_space import DISK_FULL, DiskAlarm, Fullness, is_disk_full, used_bytes
from voiceops.core.errors import NoSpace
from voiceops.core.file_cache import FileCache
from worker.threads import PeriodicThread

MEBIBYTE = 1_048_576


@pytest.fixture
def data_dir(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    used_bytes.forget()
    return tmp_path


def no_space(*arguments: Any, **named: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_files_are_added_up_by_place(data_dir: Path) -> None:
    (data_dir / "recordings" / "one").mkdir(parents=True)
    (data_dir / "recordings" / "one" / "call.ogg").write_bytes(b"x" * 700)
    (data_dir / "logs").mkdir()
    (data_dir / "logs" / "web.log").write_bytes(b"x" * 30)
    (data_dir / "voiceops.sqlite3").write_bytes(b"x" * 5)

    assert used_bytes() == {
        "uploads": 0,
        "recordings": 700,
        "cache": 0,
        "broker": 0,
        "logs": 30,
        "other": 5,
    }


def test_the_quota_counts_every_file_and_heals_when_files_are_deleted(
    data_dir: Path, settings: Any
) -> None:
    settings.MAX_DATA_DIR_BYTES = 100
    recording = data_dir / "call.ogg"
    recording.write_bytes(b"x" * 60)

    disk_space.require_space(40)
    with pytest.raises(NoSpace) as refusal:
        disk_space.require_space(41)
    recording.unlink()
    used_bytes.forget()
    disk_space.require_space(41)

    assert str(refusal.value) == (
        "The server keeps no more than 100 bytes of files, which are used up, so nothing was "
        "stored: try again later"
    )


def test_a_reserve_of_the_disk_is_kept_free(data_dir: Path, settings: Any) -> None:
    settings.MIN_FREE_DISK_BYTES = 10**18

    with pytest.raises(NoSpace, match=DISK_FULL):
        disk_space.require_space()


def test_a_file_beyond_the_limit_of_the_process_is_a_full_disk(tmp_path: Path) -> None:
    """A disk that is really full, without one: `ulimit -f` lets writes fail half-way."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({MEBIBYTE}, {MEBIBYTE}))\n"
        "from voiceops.core.disk_space import refusing_full_disk\n"
        "from voiceops.core.errors import NoSpace\n"
        "try:\n"
        "    with refusing_full_disk(), open(sys.argv[1], 'wb') as file:\n"
        f"        file.write(b'x' * {2 * MEBIBYTE})\n"
        "except NoSpace as refusal:\n"
        "    print(refusal)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "file")]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert (done.stdout, done.stderr) == (f"{DISK_FULL}\n", "")


def test_a_full_sqlite_is_recognised(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "full.sqlite3", isolation_level=None) as full:
        full.execute("CREATE TABLE t (x)")
        full.execute("PRAGMA max_page_count = 3")
        with pytest.raises(sqlite3.OperationalError) as error:
            full.execute("INSERT INTO t VALUES (zeroblob(100000))")

    assert is_disk_full(OperationalError(*error.value.args))
    assert not is_disk_full(OperationalError("database is locked"))


def test_a_full_postgresql_is_recognised() -> None:
    cause = Exception()
    cause.sqlstate = "53100"  # type: ignore[attr-defined]
    error = OperationalError("could not extend file: No space left on device")
    error.__cause__ = cause

    assert is_disk_full(error)


def test_a_full_disk_makes_the_cache_forget_and_heal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = FileCache(str(tmp_path), {})
    with monkeypatch.context() as full:
        full.setattr("tempfile.mkstemp", no_space)
        cache.set("disk-space", 1)
        forgotten = cache.get("disk-space")
    cache.set("disk-space", 2)

    assert (forgotten, cache.get("disk-space")) == (None, 2)


def test_another_failure_of_the_cache_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = FileCache(str(tmp_path), {})

    def refuse(*arguments: Any, **named: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)

    with pytest.raises(PermissionError):
        cache.set("disk-space", 1)


def test_a_message_that_finds_no_room_leaves_no_file_and_fails_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.replace", no_space)

    with pytest.raises(OSError, match="No space"):
        file_broker.write_atomically(tmp_path / "one.msg", "{}")

    assert list(tmp_path.iterdir()) == []
    assert task_queue.enqueue(task_queue.RUN_SWEEP) in (True, False)


@pytest.mark.skipif(
    not settings.CELERY_BROKER_URL.startswith("filesystem"), reason="Redis has a limit of its own"
)
def test_messages_that_nobody_takes_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_broker, "MAX_WAITING_MESSAGES", 0)

    assert task_queue.enqueue(task_queue.RUN_SWEEP) is False


def test_a_full_database_ends_the_round_instead_of_setting_its_rows_aside(db: None) -> None:
    rows = isolation.SetAside()

    def fail() -> None:
        raise OperationalError("database or disk is full")

    with pytest.raises(OperationalError):
        rows.run(fail, "key")

    assert rows.waiting() == []


def test_a_background_thread_says_once_that_the_disk_is_full(
    db: None, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OperationalError("database or disk is full")

    thread = PeriodicThread("sweep", fail, interval_seconds=5)
    with caplog.at_level(logging.WARNING):
        thread.run_round()
        thread.run_round()

    assert [record.getMessage() for record in caplog.records] == [
        "The disk is full, sweep tries again every 5 s: OperationalError"
    ]


def test_the_alarm_sounds_once_at_four_fifths_once_when_full_and_once_when_healed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    alarm = DiskAlarm()
    quota = iter((10.0, 80.0, 95.0, 100.0, 100.0, 20.0, 20.0))
    measure: Callable[[], Fullness] = lambda: Fullness(next(quota), 30.0)  # noqa: E731
    monkeypatch.setattr(disk_space, "measure_fullness", measure)

    with caplog.at_level(logging.INFO, logger=disk_space.__name__):
        for _ in range(7):
            alarm.check()

    used = "% of MAX_DATA_DIR_BYTES and 30 % of the disk of DATA_DIR are used"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"Make room, uploads will soon be refused: 80 {used}"),
        ("ERROR", f"Uploads are refused until there is room: 100 {used}"),
        ("INFO", f"There is room again: 20 {used}"),
    ]
