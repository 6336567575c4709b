"""Uploaded lists on disk: in DATA_DIR/uploads until the import has read them."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from batches.importing.columns import SavedColumnMapping
from batches.importing.json_source import RECIPIENTS_SUFFIX, write_recipients
from batches.importing.source import upload_path
from batches.importing.table import open_table
from batches.models import Batch, SuppressionImport
from batches.services.upload_space import require_upload_space
from voiceops.core.disk_space import refusing_full_disk, require_free_disk
from voiceops.core.errors import Invalid
from voiceops.core.ids import uuid7

Recipients = Sequence[dict[str, Any]]
UploadContent = Iterator[bytes] | Recipients
"""A file's chunks, or recipients sent as JSON: `[{"phone_number": …, "variables": {…}}]`."""
# Lists up to these sizes are opened while the client waits, which takes less than a second.
MAX_CHECKED_WORKBOOK_BYTES = 262_144
MAX_CHECKED_TEXT_BYTES = 8_388_608
ZIP_SIGNATURE = b"PK"  # workbooks are ZIP archives
ORPHAN_AGE_SECONDS = 86_400.0
NO_RECIPIENTS = "The list is empty: give at least one recipient"


@contextmanager
def stored_upload(
    content: UploadContent,
    *,
    workspace_id: UUID,
    mapping: Mapping[str, str | None] | None,
    is_append: bool = False,
    saved_mappings: Iterable[SavedColumnMapping] = (),
    default_country: str | None = None,
    hidden_rows: str = Batch.HiddenRows.SKIP,
) -> Iterator[str]:
    """Store a list and check its beginning; yields its name, for `Batch.upload`.

    The file is deleted again when the block fails. Raises NoSpace on a full disk, Invalid for one
    that is too large or empty and, if it is small enough to be opened here, unreadable or without a
    phone column. The import finds the same in larger ones, and the batch fails with the same words.
    """
    delete_orphans()
    require_upload_space(workspace_id)
    name = f"{uuid7()}{RECIPIENTS_SUFFIX if isinstance(content, Sequence) else ''}"
    path = upload_path(name)
    try:
        _write(path, content)
        require_upload_space(workspace_id, path.stat().st_size)
        if is_checked_at_once(path):
            # Opening reads the header and raises what is wrong with it.
            with open_table(
                path,
                max_rows=settings.MAX_UPLOAD_ROWS,
                mapping=mapping,
                is_append=is_append,
                saved_mappings=saved_mappings,
                default_country=default_country,
                hidden_rows=hidden_rows,
            ):
                pass
        yield name
    # Also when the client disconnects during the upload.
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def is_checked_at_once(path: Path) -> bool:
    """Return whether the list is small enough to be opened while the client waits."""
    with path.open("rb") as file:
        is_workbook = file.read(len(ZIP_SIGNATURE)) == ZIP_SIGNATURE
    limit = MAX_CHECKED_WORKBOOK_BYTES if is_workbook else MAX_CHECKED_TEXT_BYTES
    return path.stat().st_size <= limit


def delete_orphans() -> None:
    """Delete lists whose process died before it wrote their batch."""
    old = {path.name: path for path in stored_paths() if _age_seconds(path) > ORPHAN_AGE_SECONDS}
    known: set[str] = set()
    for rows in (Batch.unscoped, SuppressionImport.unscoped):
        known |= set(rows.filter(upload__in=list(old)).values_list("upload", flat=True))
    for name in old.keys() - known:
        old[name].unlink(missing_ok=True)


def delete_upload(name: str) -> None:
    """Delete a stored list; one that is gone already is not an error."""
    upload_path(name).unlink(missing_ok=True)


def stored_paths() -> Iterator[Path]:
    """Return the paths of all stored lists."""
    folder = upload_path("")
    return folder.iterdir() if folder.is_dir() else iter(())


def _age_seconds(path: Path) -> float:
    """Return the time since the list was written; 0 for one that its import has just deleted."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0


@refusing_full_disk()
def _write(path: Path, content: UploadContent) -> None:
    """Write the list. Raises Invalid when it is empty or too large, NoSpace on a full disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Sequence):
        if not content:
            raise Invalid(NO_RECIPIENTS)
        write_recipients(path, content)
        return
    size = 0
    with path.open("wb") as file:
        for chunk in content:
            require_free_disk(len(chunk))
            size += file.write(chunk)
            if size > settings.MAX_UPLOAD_BYTES:
                raise Invalid("File too large")
