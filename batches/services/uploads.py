"""Uploaded lists on disk: kept under DATA_DIR/uploads until the import is done with them."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings

from batches.importing.columns import SavedColumnMapping
from batches.importing.json_source import RECIPIENTS_SUFFIX, write_recipients
from batches.importing.source import upload_path
from batches.importing.table import open_table
from batches.models import Batch
from voiceops.core.errors import Invalid
from voiceops.core.ids import uuid7

Recipients = list[dict[str, Any]]
UploadContent = Iterator[bytes] | Recipients
"""A file's chunks, or recipients sent as JSON: `[{"phone_number": …, "variables": {…}}]`."""
QUICK_WORKBOOK, QUICK_TEXT = 262_144, 8_388_608  # bytes
ORPHANED_AFTER = 86_400.0  # seconds
NO_RECIPIENTS = "The list is empty: give at least one recipient"


@contextmanager
def stored_upload(
    content: UploadContent,
    *,
    mapping: Mapping[str, str | None] | None,
    is_append: bool = False,
    saved_mappings: Iterable[SavedColumnMapping] = (),
) -> Iterator[str]:
    """Keep a list and look at its head; yields its name, for `Batch.upload`. Gone again if the
    block fails.

    Raises Invalid for what can be seen at once: too large, empty, and, of lists that are quickly
    opened, unreadable or without a phone column. What is found later makes the batch `failed`, with
    the same sentence.
    """
    delete_orphans()
    name = f"{uuid7()}{RECIPIENTS_SUFFIX if isinstance(content, list) else ''}"
    path = upload_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write(path, content)
        if is_quickly_opened(path):
            with open_table(
                path,
                max_rows=settings.MAX_UPLOAD_ROWS,
                mapping=mapping,
                is_append=is_append,
                saved_mappings=saved_mappings,
            ):
                pass
        yield name
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def is_quickly_opened(path: Path) -> bool:
    """Whether a look at the list takes the web server less than a second; longer ones are left to
    the import.
    """
    with path.open("rb") as file:
        is_workbook = file.read(2) == b"PK"
    return path.stat().st_size <= (QUICK_WORKBOOK if is_workbook else QUICK_TEXT)


def delete_orphans() -> None:
    """Lists that a process left behind when it died before their batch was written."""
    old = [path for path in uploads() if _age(path) > ORPHANED_AFTER]
    known = set(
        Batch.unscoped.filter(upload__in=[path.name for path in old]).values_list(
            "upload", flat=True
        )
    )
    for path in old:
        if path.name not in known:
            path.unlink(missing_ok=True)


def uploads() -> Iterator[Path]:
    folder = upload_path("")
    return folder.iterdir() if folder.is_dir() else iter(())


def _age(path: Path) -> float:
    """Seconds since it was written; 0 for a list that its import has deleted in this moment."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0


def delete_upload(name: str) -> None:
    """Delete a stored list; one that is gone already is not an error."""
    upload_path(name).unlink(missing_ok=True)


def _write(path: Path, content: UploadContent) -> None:
    if isinstance(content, list):
        if not content:
            raise Invalid(NO_RECIPIENTS)
        write_recipients(path, content)
        return
    size = 0
    with path.open("wb") as file:
        for chunk in content:
            size += file.write(chunk)
            if size > settings.MAX_UPLOAD_BYTES:
                raise Invalid("File too large")
