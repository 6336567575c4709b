"""One append-only file per call, so that nothing is lost when a process or the control plane dies.

    <call id>.jsonl   the header, then one event per line
    <call id>.sent    how many events were accepted

The process of a call holds a lock on its file. Whoever gets that lock knows that the process is
gone, also from another container on the same volume. Written without fsync: the crash of a process
loses nothing, a power cut may.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from voice.journal import Event

MAX_BATCH_EVENTS = 400
MAX_BATCH_BYTES = 512 * 1024


class CallInUseError(Exception):
    """A room that came back with a second agent for the same call."""


@dataclass(frozen=True)
class Header:
    """What is needed to end a call in its stead, and to deliver its reports."""

    call_id: str
    room: str
    report_url: str
    report_token: str
    pid: int


class Spool:
    """The file of one call. Use `create` in the call's process, `claim` elsewhere."""

    def __init__(self, path: Path, header: Header, file: TextIO) -> None:
        self.path = path
        self.header = header
        self._file = file
        self._sent_path = path.with_suffix(".sent")
        self.events: list[Event] = []
        self.sent = 0

    @classmethod
    def create(cls, folder: Path, header: Header) -> "Spool":
        """Begin a call's file, or go on with the one of an earlier attempt.

        Raises CallInUseError while another process has the call.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{header.call_id}.jsonl"
        # It holds what was said, and a token.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        file = os.fdopen(descriptor, "a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise CallInUseError(f"Another process has the call {header.call_id}") from error
        spool = cls(path, header, file)
        if not spool._read():
            spool._write(asdict(header))
        return spool

    @classmethod
    def claim(cls, path: Path) -> "Spool | None":
        """Return the file of a call whose process is gone, or None."""
        try:
            file = path.open("a+", encoding="utf-8")
        except OSError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return None
        spool = cls(path, Header("", "", "", "", 0), file)
        if not spool._read():
            # Its process died before it had written the header: nothing is known, or lost.
            spool.remove()
            return None
        return spool

    def _read(self) -> bool:
        """Read what is there. Returns whether there is a header."""
        self._file.seek(0)
        lines = [_parse(line) for line in self._file]
        if not lines or lines[0] is None or "report_url" not in lines[0]:
            return False
        self.header = Header(**lines[0])
        # A line that a dying process had not finished is left out.
        self.events = [line for line in lines[1:] if line is not None]
        if self._sent_path.exists():
            self.sent = int(self._sent_path.read_text() or 0)
        return True

    def append(self, event: Event) -> None:
        """Write an event, before anybody sends it."""
        self._write(event)
        self.events.append(event)

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
        self._file.flush()

    @property
    def has_ended(self) -> bool:
        """Whether the call's own process has said how it ended."""
        return any(event["type"] == "ended" for event in self.events)

    @property
    def is_delivered(self) -> bool:
        return self.sent >= len(self.events)

    def next_batch(self, limit: int = MAX_BATCH_EVENTS) -> list[Event]:
        """Return the next events to send: at most `limit` of them, and MAX_BATCH_BYTES."""
        batch: list[Event] = []
        size = 0
        for event in self.events[self.sent : self.sent + limit]:
            size += len(json.dumps(event, ensure_ascii=False).encode())
            if batch and size > MAX_BATCH_BYTES:
                break
            batch.append(event)
        return batch

    def mark_sent(self, count: int) -> None:
        """Record that the next `count` events need not be sent again."""
        self.sent += count
        self._sent_path.write_text(str(self.sent))

    def remove(self) -> None:
        """Delete the file: everything was delivered, or may not be."""
        self._sent_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let others claim the file."""
        self._file.close()


def read_header(path: Path) -> Header | None:
    """Return what a call's file begins with, whoever holds it; None when it has no header yet."""
    try:
        with path.open(encoding="utf-8") as file:
            line = _parse(file.readline())
    except OSError:
        return None
    return Header(**line) if line is not None and "report_url" in line else None


def _parse(line: str) -> dict[str, Any] | None:
    try:
        parsed = json.loads(line)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def spooled(folder: Path) -> Iterator[Path]:
    """Yield the files of all calls, oldest first."""
    yield from sorted(folder.glob("*.jsonl"), key=lambda path: (path.stat().st_mtime, path.name))
