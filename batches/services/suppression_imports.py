"""Import lists of numbers to suppress: short ones at once, long ones in the background.

Numbers are written in short transactions with pauses between them, because SQLite has one writer
at a time: calls and other people's changes go on meanwhile. Each transaction also writes how far
the list has been read, so an import that was killed goes on where it stopped.
"""

import logging
import shutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from batches.importing.source import upload_path
from batches.models import SuppressionImport
from batches.services.suppression_files import FileRow, RowDefaults, open_suppression_file
from batches.services.suppressions import merge_suppressions
from batches.services.upload_space import require_upload_space
from batches.services.uploads import delete_upload
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.disk_space import refusing_full_disk
from voiceops.core.errors import Invalid
from voiceops.core.ids import uuid7
from voiceops.db.bulk_turn import bulk_transaction

logger = logging.getLogger(__name__)

MAX_ROWS_AT_ONCE = 20_000  # read while the client waits
MAX_REPORTED_REJECTIONS = 1_000  # further ones are only counted
SUPPRESSION_CHUNK_ROWS = 200
# On SQLite another writer waits for a chunk, and looks again up to 100 ms later: chunks are small,
# and while nobody waits for the list, the database is free three times in four.
SUPPRESSION_SQLITE_CHUNK_ROWS = 50
PAUSE_FACTOR = 3
SUPPRESSION_LEASE = timedelta(minutes=2)
FILE_IS_GONE = "The uploaded file is gone: upload it again."
Status = SuppressionImport.Status


class ImportResult(NamedTuple):
    """What a list that was read at once has changed."""

    added: int
    already: int
    rejected_count: int
    rejected: list[dict[str, Any]]


def import_suppressions(
    *, workspace: Workspace, path: Path, defaults: RowDefaults, principal: Principal | None = None
) -> ImportResult | SuppressionImport:
    """Suppress every number of a file; a long one is queued and returned as it is.

    Raises Invalid for a file that is too large or cannot be read, NoSpace on a full disk.
    """
    now = database_now()
    with open_suppression_file(path, defaults, now=now) as file:
        if file.expected_rows is None or file.expected_rows > MAX_ROWS_AT_ONCE:
            return _queue(workspace, path, defaults, file.expected_rows, principal)
        rows = list(file.rows)
    added = already = 0
    for chunk in _chunks(rows):
        added, already = added + _store(workspace, chunk), already + _count_numbers(chunk)
    already -= added
    rejected = [row.rejection for row in rows if row.rejection is not None]
    audit.record(
        "suppression.imported",
        principal=principal or Principal(workspace=workspace),
        changes={"added": added, "already": already},
    )
    return ImportResult(added, already, len(rejected), rejected[:MAX_REPORTED_REJECTIONS])


def run_import(import_id: UUID | str) -> None:
    """Read a queued list to its end, from where an earlier process stopped.

    Does nothing when it has been read or another process is reading it.
    """
    job = _claim(UUID(str(import_id)))
    if job is None:
        return
    error = None
    try:
        _store_rows(job)
    except FileNotFoundError:
        error = FILE_IS_GONE
    except Invalid as refusal:
        error = str(refusal)
    except _LostLeaseError:
        logger.warning("Suppression import %s stopped: another process reads the list", job.pk)
        return
    _finish(job, error)


def unread_imports(now: datetime) -> QuerySet[SuppressionImport]:
    """Imports that no process is running."""
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lt=now)
    return SuppressionImport.unscoped.filter(free, status__in=Status.open()).order_by("pk")


def running_imports(now: datetime) -> QuerySet[SuppressionImport]:
    """Imports under a lease."""
    return SuppressionImport.unscoped.filter(status__in=Status.open(), lease_expires_at__gte=now)


class _LostLeaseError(Exception):
    """Another process has acquired the lease."""


def _queue(
    workspace: Workspace,
    path: Path,
    defaults: RowDefaults,
    expected_rows: int | None,
    principal: Principal | None,
) -> SuppressionImport:
    name = str(uuid7())
    stored = upload_path(name)
    require_upload_space(workspace.pk, path.stat().st_size)
    try:
        with refusing_full_disk():
            stored.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, stored)
        with transaction.atomic():
            job: SuppressionImport = SuppressionImport.unscoped.create(
                workspace=workspace, upload=name, rows_total=expected_rows, **defaults._asdict()
            )
            audit.record("suppression.import_started", principal=principal, target=job)
            task_queue.enqueue_on_commit(task_queue.IMPORT_SUPPRESSIONS, import_id=str(job.pk))
    except BaseException:
        stored.unlink(missing_ok=True)
        raise
    return job


def _claim(import_id: UUID) -> SuppressionImport | None:
    now = database_now()
    rows = unread_imports(now).filter(pk=import_id)
    if not rows.update(status=Status.RUNNING, lease_expires_at=now + SUPPRESSION_LEASE):
        return None
    return SuppressionImport.unscoped.select_related("workspace").get(pk=import_id)


def _store_rows(job: SuppressionImport) -> None:
    """Store the rows that no earlier process has stored. Raises Invalid and _LostLeaseError."""
    defaults = RowDefaults(job.default_country, job.reason, job.expires_at)
    with open_suppression_file(upload_path(job.upload), defaults, now=database_now()) as file:
        unread = (row for row in file.rows if row.row_number > job.rows_read)
        for chunk in _chunks(unread):
            rejected = [row.rejection for row in chunk if row.rejection is not None]
            with bulk_transaction(pause_factor=PAUSE_FACTOR):
                numbers = _count_numbers(chunk)
                added = _merge(job.workspace, chunk)
                places = max(MAX_REPORTED_REJECTIONS - len(job.rejected), 0)
                job.rejected = [*job.rejected, *rejected[:places]]
                _update(
                    job,
                    rows_read=chunk[-1].row_number,
                    added=F("added") + added,
                    already=F("already") + numbers - added,
                    rejected_count=F("rejected_count") + len(rejected),
                    **({"rejected": job.rejected} if rejected and places else {}),
                )


def _finish(job: SuppressionImport, error: str | None) -> None:
    name = job.upload
    with transaction.atomic():
        fields: dict[str, Any] = {"rows_total": F("rows_read")} if error is None else {}
        status = Status.COMPLETED if error is None else Status.FAILED
        ended_at = database_now()
        _update(job, status=status, error=error, upload="", ended_at=ended_at, **fields)
        SuppressionImport.unscoped.filter(pk=job.pk).update(lease_expires_at=None)
        job.refresh_from_db(fields=["added", "already"])
        changes = {"added": job.added, "already": job.already}
        principal = Principal(workspace=job.workspace)
        audit.record("suppression.imported", principal=principal, target=job, changes=changes)
    delete_upload(name)


def _update(job: SuppressionImport, **fields: Any) -> None:
    """Write fields under the lease, and extend it. Raises _LostLeaseError."""
    held = SuppressionImport.unscoped.filter(pk=job.pk, lease_expires_at=job.lease_expires_at)
    expires_at = database_now() + SUPPRESSION_LEASE
    if not held.update(lease_expires_at=expires_at, **fields):
        raise _LostLeaseError
    job.lease_expires_at = expires_at


def _chunks(rows: Iterable[FileRow]) -> Iterator[list[FileRow]]:
    remaining = iter(rows)
    size = (
        SUPPRESSION_SQLITE_CHUNK_ROWS if connection.vendor == "sqlite" else SUPPRESSION_CHUNK_ROWS
    )
    while chunk := list(islice(remaining, size)):
        yield chunk


def _store(workspace: Workspace, chunk: Sequence[FileRow]) -> int:
    """Write one chunk; returns how many numbers were added."""
    with bulk_transaction():
        return _merge(workspace, chunk)


def _merge(workspace: Workspace, chunk: Sequence[FileRow]) -> int:
    rows = {row.phone_number: row for each in chunk for row in each.suppressions}
    return merge_suppressions(workspace, list(rows.values()), database_now())


def _count_numbers(chunk: Sequence[FileRow]) -> int:
    return sum(len(row.suppressions) for row in chunk)
