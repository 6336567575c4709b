"""The sandbox's state: small tables in memory, with each change appended to a file first.

Every change is one `write` to an unbuffered file. The kernel has the line when the call returns, so
killing this process (with SIGKILL too) loses nothing. Only a crash of the machine could, which
drills do not simulate.
"""

import fcntl
import os
from pathlib import Path
from typing import Any

import orjson

Row = dict[str, Any]


class DataDirInUseError(Exception):
    """Another sandbox uses this directory."""


class Store:
    """Tables of rows by key, in order of insertion. A change is in the file when `put` returns."""

    def __init__(self, directory: Path) -> None:
        """Raises DataDirInUseError when another sandbox uses the directory."""
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / "sandbox.jsonl"
        self._tables: dict[str, dict[str, Row]] = {}
        self._lock = os.open(
            directory / "sandbox.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600
        )
        # The kernel releases the lock when the process dies, however it dies.
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise DataDirInUseError(f"Another sandbox works in {directory}") from None
        self._read()
        self._file = self._compact()

    def table(self, name: str) -> dict[str, Row]:
        """Return the rows themselves; change them with `put`, `delete` and `clear` only."""
        return self._tables.setdefault(name, {})

    def put(self, table: str, key: str, row: Row) -> None:
        self.table(table)[key] = row
        self._append([table, key, row])

    def delete(self, table: str, key: str) -> None:
        if self.table(table).pop(key, None) is not None:
            self._append([table, key, None])

    def clear(self, table: str) -> None:
        self.table(table).clear()
        self._append([table, None, None])

    def close(self) -> None:
        os.close(self._file)
        os.close(self._lock)

    def _append(self, line: list[Any]) -> None:
        data = memoryview(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        # A write may accept only a part of its data.
        while data:
            data = data[os.write(self._file, data) :]

    def _read(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as lines:
            for line in lines:
                # An incomplete last line is a change that was never acknowledged.
                if line.endswith(b"\n"):
                    self._apply(*orjson.loads(line))

    def _apply(self, table: str, key: str | None, row: Row | None) -> None:
        rows = self.table(table)
        if key is None:
            rows.clear()
        elif row is None:
            rows.pop(key, None)
        else:
            rows[key] = row

    def _compact(self) -> int:
        """Replace the file by one with the current rows only. Returns it open for appending."""
        compacted = self._path.with_suffix(".new")
        # Only the owner may read it: it contains passwords of trunks, as LiveKit's own store does.
        descriptor = os.open(compacted, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for table, rows in self._tables.items():
                for key, row in rows.items():
                    file.write(orjson.dumps([table, key, row], option=orjson.OPT_APPEND_NEWLINE))
        compacted.replace(self._path)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
