"""Which waiting list a worker reads next: workspaces share the imports of every process.

A message only wakes a worker, whichever list it names: what is read next is chosen here, in the
order of the workspaces that have least of it. So thousands of lists of one workspace, and their
messages, delay no other's. A list is read to its end once it has begun, at COPY's speed: one that
made way in the middle would have to be read again from its beginning.
"""

import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic
from uuid import UUID

from django.conf import settings
from django.db.models import Count, QuerySet

from batches.importing.lease import batches_being_read, unread_batches
from batches.importing.source import upload_path
from batches.models import Batch, SuppressionImport
from batches.services.imports import import_batch
from batches.services.suppression_imports import run_import, running_imports, unread_imports
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.fair_places import FairPlaces
from voiceops.core.isolation import SetAside

# Short lists have places of their own beside IMPORTS_PER_PROCESS: they wait for no long one. Of a
# process's 8 task threads two are left then, for the dispatcher and everything else.
SHORT_IMPORTS_PER_PROCESS = 2
# Some 20,000 rows, which take about a second.
SHORT_LIST_BYTES = 262_144
SHORT_WORKBOOK_BYTES = 4_194_304  # unpacked
OLDEST_LISTS = 20  # of one workspace, among which a short one is found
MAX_WORKSPACES_TRIED = 100
MAX_WORKSPACES_REMEMBERED = 1_000

places = FairPlaces()
short_places = FairPlaces()
failing = SetAside()


@dataclass(frozen=True, slots=True)
class WaitingImport:
    """A list that no process is reading."""

    id: UUID
    workspace_id: UUID
    upload: str
    job: str
    run: Callable[[UUID], None]

    def enqueue(self) -> bool:
        """Enqueue the import; False when the broker cannot be reached."""
        argument = "batch_id" if self.job == task_queue.IMPORT_BATCH else "import_id"
        return task_queue.enqueue(self.job, **{argument: str(self.id)})

    def is_short(self) -> bool:
        """Whether the list takes a second or so."""
        return is_short_list(upload_path(self.upload))


class _LastServed:
    """When this process last began a list of a workspace."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: dict[UUID, float] = {}

    def at(self, workspace_id: UUID) -> float:
        return self._times.get(workspace_id, 0.0)

    def record(self, workspace_id: UUID) -> None:
        with self._lock:
            self._times.pop(workspace_id, None)
            self._times[workspace_id] = monotonic()
            while len(self._times) > MAX_WORKSPACES_REMEMBERED:
                del self._times[next(iter(self._times))]


last_served = _LastServed()


def run_waiting_imports(may_continue: Callable[[], bool] = lambda: True) -> None:
    """Read waiting lists, one after the other, for as long as this process has places for them.

    Does nothing when no list waits, or when none of those that wait has a place.
    """
    # A place is given back before the next list is sought: one that found no place meanwhile, and
    # whose message is gone, is found here.
    while may_continue() and run_next_import():
        pass


def run_next_import() -> bool:
    """Read the list whose turn it is. False when none waits that has a place."""
    reserved = _reserve_next()
    if reserved is None:
        return False
    waiting, give_back = reserved
    last_served.record(waiting.workspace_id)
    try:
        failing.run(waiting.run, waiting.id, waiting.id)
    finally:
        give_back()
    return True


def find_waiting_imports() -> Iterator[WaitingImport]:
    """Yield the oldest waiting list of each workspace, whose turn it is first."""
    now = database_now()
    for workspace_id in _workspaces_in_turn(now)[:MAX_WORKSPACES_TRIED]:
        yield from _waiting_of(workspace_id, now)[:1]


def is_short_list(path: Path) -> bool:
    """Return whether a list takes a second or so to read, by its size, a workbook's unpacked."""
    try:
        if path.stat().st_size > SHORT_LIST_BYTES:
            return False
        if not zipfile.is_zipfile(path):
            return True
        with zipfile.ZipFile(path) as workbook:
            unpacked = sum(part.file_size for part in workbook.infolist())
    except (OSError, zipfile.BadZipFile):
        return True  # its import ends at once
    return unpacked <= SHORT_WORKBOOK_BYTES


def _reserve_next() -> tuple[WaitingImport, Callable[[], None]] | None:
    """Return the list whose turn it is, and how to give its place back."""
    now = database_now()
    for workspace_id in _workspaces_in_turn(now)[:MAX_WORKSPACES_TRIED]:
        if (reserved := _reserve_for(workspace_id, now)) is not None:
            return reserved
    return None


def _reserve_for(
    workspace_id: UUID, now: datetime
) -> tuple[WaitingImport, Callable[[], None]] | None:
    name = str(workspace_id)
    total = settings.IMPORTS_PER_PROCESS
    has_place = places.has_place(name, total=total)
    if not has_place and not short_places.has_place(name, total=SHORT_IMPORTS_PER_PROCESS):
        return None
    for waiting in _waiting_of(workspace_id, now):
        give_back = places.try_reserve(name, total=total)
        if give_back is None and waiting.is_short():
            give_back = short_places.try_reserve(name, total=SHORT_IMPORTS_PER_PROCESS)
        if give_back is not None:
            return waiting, give_back
    return None


def _workspaces_in_turn(now: datetime) -> list[UUID]:
    """Workspaces with waiting lists: those first of which the fewest lists are being read anywhere,
    and among these the one whose last turn here is longest ago.
    """
    running: Counter[UUID] = Counter()
    for rows in (batches_being_read(now), running_imports(now)):
        counts = rows.order_by().values_list("workspace").annotate(Count("pk"))
        running.update(dict(counts))
    batches, suppressions = _waiting_rows(now)
    waiting = {
        workspace_id
        for rows in (batches, suppressions)
        for workspace_id in rows.order_by().values_list("workspace", flat=True).distinct()
    }
    return sorted(waiting, key=lambda pk: (running[pk], last_served.at(pk), pk))


def _waiting_of(workspace_id: UUID, now: datetime) -> list[WaitingImport]:
    """The oldest waiting lists of a workspace, oldest first."""
    batches, suppressions = (rows.filter(workspace=workspace_id) for rows in _waiting_rows(now))
    found = [
        WaitingImport(pk, workspace_id, upload, task_queue.IMPORT_BATCH, import_batch)
        for pk, upload in batches.values_list("pk", "upload")[:OLDEST_LISTS]
    ] + [
        WaitingImport(pk, workspace_id, upload, task_queue.IMPORT_SUPPRESSIONS, run_import)
        for pk, upload in suppressions.values_list("pk", "upload")[:OLDEST_LISTS]
    ]
    return sorted(found, key=lambda waiting: waiting.id)[:OLDEST_LISTS]


def _waiting_rows(now: datetime) -> tuple[QuerySet[Batch], QuerySet[SuppressionImport]]:
    left_out = failing.waiting()
    return (
        unread_batches(now).exclude(pk__in=left_out),
        unread_imports(now).exclude(pk__in=left_out),
    )
