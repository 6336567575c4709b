"""The files of recordings: links to listen to them, downloads, deletion by retention."""

from datetime import datetime, timedelta
from typing import IO

from django.core.exceptions import SuspiciousOperation
from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from telephony.clients import recording_storage
from telephony.domain import timeline
from telephony.models import Call, Recording
from voiceops.core.clock import database_now
from voiceops.core.errors import NotFound, ProviderError
from voiceops.core.isolation import run_isolated

Status = Recording.Status
RECORDING_NOT_FOUND = "Recording not found"
PRUNE_CHUNK_RECORDINGS = 50
MAX_STORAGE_ERRORS = 3  # in a round: then storage is down


def create_recording_link(
    *, call: Call, principal: Principal | None = None
) -> tuple[str, datetime]:
    """Return a link that works without credentials, and when it expires.

    Raises NotFound when the call has no recording, and ProviderError when storage failed.
    """
    recording = Recording.unscoped.filter(call=call, status=Status.READY).first()
    if recording is None or not recording_storage.is_stored(recording.storage_key):
        raise NotFound(RECORDING_NOT_FOUND)
    url, expires_at = recording_storage.create_link(
        recording.storage_key, recording_id=recording.pk, filename=download_name(recording)
    )
    audit.record("recording.linked", principal=principal, target=call)
    return url, expires_at


def open_linked_recording(token: str) -> tuple[str, IO[bytes], int]:
    """Return what a link to local storage leads to: download name, open file, size in bytes.

    Raises LinkExpired, and NotFound for a link that is not ours or a recording that is gone.
    """
    recording_id = recording_storage.recording_of_link(token)
    if recording_id is None or recording_storage.uses_s3():
        raise NotFound(RECORDING_NOT_FOUND)
    recording = Recording.unscoped.filter(pk=recording_id, status=Status.READY).first()
    if recording is None:
        raise NotFound(RECORDING_NOT_FOUND)
    try:
        file = recording_storage.recordings_storage().open(recording.storage_key)
    except (OSError, SuspiciousOperation) as error:
        raise NotFound(RECORDING_NOT_FOUND) from error
    return download_name(recording), file, file.size


def download_name(recording: Recording) -> str:
    """Return the file name under which a browser saves the recording."""
    return f"call-{recording.call_id}.ogg"


def prune_recordings() -> int:
    """Delete recordings that are older than their workspace keeps them; returns how many.

    A file that cannot be deleted keeps no other from it. Raises the first ProviderError at the end.
    """
    now = database_now()
    pruned = 0
    errors: list[ProviderError] = []
    for workspace in Workspace.unscoped.exclude(recording_retention_days=None).order_by("pk"):
        assert workspace.recording_retention_days is not None
        ready_before = now - timedelta(days=workspace.recording_retention_days)
        overdue = workspace.recordings.filter(status=Status.READY, ready_at__lt=ready_before)
        for recording in overdue.order_by("pk").iterator(chunk_size=PRUNE_CHUNK_RECORDINGS):
            pruned += run_isolated(_prune_recording, recording, now, errors) or 0
            if len(errors) == MAX_STORAGE_ERRORS:
                raise errors[0]
    if errors:
        raise errors[0]
    return pruned


def _prune_recording(recording: Recording, now: datetime, errors: list[ProviderError]) -> int:
    try:
        recording_storage.delete(recording.storage_key)
    except ProviderError as error:
        errors.append(error)
        return 0
    mark_pruned(recording, now)
    return 1


def mark_pruned(recording: Recording, now: datetime) -> None:
    """Record that the file was deleted, on the recording, its call and the call's timeline."""
    text = "The recording was deleted after its retention period"
    with transaction.atomic():
        Recording.unscoped.filter(pk=recording.pk).update(status=Status.PRUNED)
        Call.unscoped.filter(pk=recording.call_id).update(has_recording=False)
        timeline.add_event(recording.call, type="recording_pruned", text=text, at=now)
