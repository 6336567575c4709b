"""Room on the disk of DATA_DIR: what is used, what may still be stored, and what a full disk means.

Uploads stop before the disk is full: the last MIN_FREE_DISK_BYTES are kept for the database, the
broker and the logs, so that calling goes on. Nothing is remembered about a full disk, so that it
heals as soon as there is room.
"""

import errno
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import OperationalError

from voiceops.core.errors import NoSpace
from voiceops.core.remembered import remembered

logger = logging.getLogger(__name__)
ALARM_PERCENT = 80
FULL_PERCENT = 100  # uploads are refused
USAGE_SECONDS = 10.0  # DATA_DIR may hold many recordings, and adding up their sizes takes a while
OTHER_PLACE = "other"  # an SQLite database, above all
# EFBIG: what `ulimit -f` answers, which is the disk of that process.
FULL_DISK_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL_DATABASE_STATE = "53100"  # SQLSTATE of PostgreSQL: disk full
FULL_SQLITE_WORDS = "disk is full"

DISK_FULL = "The server's disk is full, so nothing was stored: try again later"
QUOTA_REACHED = (
    "The server keeps no more than {limit:,} bytes of files, which are used up, so nothing was "
    "stored: try again later"
)


def is_disk_full(error: BaseException) -> bool:
    """Whether a write failed because a disk is full: ours, or that of the database."""
    if isinstance(error, OperationalError):
        state = getattr(error.__cause__, "sqlstate", None)
        return state == FULL_DATABASE_STATE or FULL_SQLITE_WORDS in str(error)
    return isinstance(error, OSError) and error.errno in FULL_DISK_NUMBERS


def free_bytes() -> int:
    """Return the bytes that we may still write on the disk of DATA_DIR."""
    return shutil.disk_usage(settings.DATA_DIR).free


@remembered(seconds=USAGE_SECONDS)
def used_bytes() -> dict[str, int]:
    """Return the bytes of the files in DATA_DIR, by place."""
    used = dict.fromkeys((*settings.DATA_FOLDERS, OTHER_PLACE), 0)
    root = Path(settings.DATA_DIR)
    for entry in _entries(root):
        is_folder = entry.is_dir(follow_symlinks=False)
        is_known = is_folder and entry.name in settings.DATA_FOLDERS
        place = entry.name if is_known else OTHER_PLACE
        used[place] += _folder_bytes(entry.path) if is_folder else _file_bytes(entry)
    return used


def require_free_disk(more: int = 0) -> None:
    """Raises NoSpace when `more` bytes would use up the disk's reserve."""
    if free_bytes() - more < settings.MIN_FREE_DISK_BYTES:
        raise NoSpace(DISK_FULL)


@contextmanager
def refusing_full_disk() -> Iterator[None]:
    """Raises NoSpace instead of the OSError of a block that found the disk full."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise NoSpace(DISK_FULL) from error
        raise


def require_space(more: int = 0) -> None:
    """Raises NoSpace when `more` bytes would use up the disk's reserve or the quota of DATA_DIR."""
    require_free_disk(more)
    if sum(used_bytes().values()) + more > settings.MAX_DATA_DIR_BYTES:
        raise NoSpace(QUOTA_REACHED.format(limit=settings.MAX_DATA_DIR_BYTES))


@dataclass(frozen=True)
class Fullness:
    """How much of DATA_DIR's quota and of its disk is used, in percent of what uploads may use."""

    quota_percent: float
    disk_percent: float

    @property
    def percent(self) -> float:
        """The higher of the two: at 100, uploads are refused."""
        return max(self.quota_percent, self.disk_percent)

    @property
    def is_alarming(self) -> bool:
        return self.percent >= ALARM_PERCENT

    def __str__(self) -> str:
        return (
            f"{self.quota_percent:.0f} % of MAX_DATA_DIR_BYTES and "
            f"{self.disk_percent:.0f} % of the disk of DATA_DIR are used"
        )


def measure_fullness() -> Fullness:
    """Return how full DATA_DIR is. Raises OSError when it cannot be read."""
    disk = shutil.disk_usage(settings.DATA_DIR)
    # Not `disk.total`: some of it is the superuser's, and the reserve is no upload's.
    usable = max(disk.used + disk.free - settings.MIN_FREE_DISK_BYTES, 1)
    quota = max(settings.MAX_DATA_DIR_BYTES, 1)
    used = sum(used_bytes().values())
    return Fullness(100 * used / quota, min(100 * disk.used / usable, 100.0))


class DiskAlarm:
    """Logs once when DATA_DIR begins to be full, once when it is, and once when it has room."""

    def __init__(self) -> None:
        self._level = logging.INFO

    def check(self) -> None:
        """Log what has changed since the last check. Raises OSError."""
        fullness = measure_fullness()
        level = logging.WARNING if fullness.is_alarming else logging.INFO
        if fullness.percent >= FULL_PERCENT:
            level = logging.ERROR
        if level == self._level:
            return
        self._level = level
        advice = {
            logging.INFO: "There is room again: %s",
            logging.WARNING: "Make room, uploads will soon be refused: %s",
            logging.ERROR: "Uploads are refused until there is room: %s",
        }
        logger.log(level, advice[level], fullness)


def _folder_bytes(folder: str) -> int:
    """Return the bytes of all files below a folder."""
    total = 0
    waiting = [folder]
    while waiting:
        for entry in _entries(waiting.pop()):
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            else:
                total += _file_bytes(entry)
    return total


def _entries(folder: str | Path) -> Iterator["os.DirEntry[str]"]:
    """Yield what is in a folder; nothing when it has just been deleted."""
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except FileNotFoundError:
        return


def _file_bytes(entry: "os.DirEntry[str]") -> int:
    """Return what a file takes on the disk; 0 for one that has just been deleted."""
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0
