"""Recordings: started after the answer, by a request of its own, so that one that fails never costs
a call.

LiveKit's egress writes the file; its webhooks say how that went, in any order with those of the
room. Where they are lost, the sweep asks (`follow_recordings`). A row exists from the first that is
known of an egress.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import IO, Any
from uuid import UUID

from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q

from accounts.models import Workspace
from agents.models import AgentVersion
from telephony.clients import recording_storage
from telephony.clients.livekit.egress import find_egress, start_egress
from telephony.clients.livekit.session import LiveKit
from telephony.domain import timeline
from telephony.models import Call, Direction, Recording, Stage
from voiceops.core.clock import database_now
from voiceops.core.errors import NotFound, ProviderError
from voiceops.core.ids import lowest_id
from voiceops.core.isolation import gather_isolated
from voiceops.core.orm_thread import OrmThread

logger = logging.getLogger(__name__)

Status = Recording.Status
EGRESS_DONE = (
    "EGRESS_COMPLETE",
    "EGRESS_LIMIT_REACHED",
)  # the latter is whole up to LiveKit's limit
EGRESS_FAILED = ("EGRESS_FAILED", "EGRESS_ABORTED")
RECORDING_WEBHOOK_GRACE = timedelta(seconds=10)  # for webhooks, before the sweep asks
RECORDING_LOOKBACK = timedelta(
    hours=1
)  # how long after its end a call without a recording is asked about
RECORDINGS_PER_ROUND, MAX_PARALLEL_EGRESS_REQUESTS = 50, 10
NANOSECONDS_PER_SECOND = 1e9
RECORDING_NOT_FOUND = "Recording not found"
_recording_flag: dict[
    UUID, bool
] = {}  # version -> whether it records; versions never change, so neither does this


async def start_recordings(livekit: LiveKit, calls: Sequence[Call]) -> None:
    """Start recording those of these answered calls whose agent records. Never raises: the sweep
    tries again.
    """
    try:
        unknown = {
            call.agent_version_id for call in calls if call.agent_version_id
        } - _recording_flag.keys()
        if unknown:
            async with OrmThread() as db:
                _recording_flag.update(await db(recording_flags, unknown))
    except (OperationalError, InterfaceError) as error:
        logger.warning("Recordings start later, the database cannot be reached: %s", error)
        return
    wanted = [
        call
        for call in calls
        if call.agent_version_id and _recording_flag.get(call.agent_version_id)
    ]
    await asyncio.gather(*(_try_start(livekit, call) for call in wanted))


def recording_flags(versions: set[UUID]) -> dict[UUID, bool]:
    configs = AgentVersion.unscoped.filter(pk__in=versions).values_list("pk", "config")
    return {pk: bool(config.get("recording_enabled")) for pk, config in configs}


async def _try_start(livekit: LiveKit, call: Call) -> None:
    try:
        await ensure_recording(livekit, call)
    except ProviderError as error:
        logger.warning("The recording of call %s could not be started: %s", call.pk, error)


async def ensure_recording(livekit: LiveKit, call: Call) -> list[dict[str, Any]]:
    """What LiveKit records of the call. Nothing is started where an egress is at work or done.
    Raises ProviderError.
    """
    found = [
        info
        for info in await find_egress(livekit, call.room)
        if info.get("status") not in EGRESS_FAILED
    ]
    return found or [await start_egress(livekit, room=call.room, key=storage_key(call))]


def storage_key(call: Call) -> str:
    return (
        f"{'recordings/' if recording_storage.uses_s3() else ''}{call.workspace_id}/{call.pk}.ogg"
    )


def apply_egress(call: Call, info: Mapping[str, Any], *, at: datetime) -> None:
    """Take in how an egress of the call's room stands, as LiveKit's JSON tells it."""
    status = str(info.get("status", ""))
    file = next(iter(info.get("fileResults") or []), info.get("file"))
    if status in EGRESS_DONE and file:
        _mark_ready(call, info, file, at)
    elif status in EGRESS_FAILED or status in EGRESS_DONE:
        fail_recording(
            call,
            error=str(info.get("error") or "nothing was recorded"),
            egress=_egress_id(info),
            at=at,
        )
    else:
        _get_or_create_row(call, info)


def _egress_id(info: Mapping[str, Any]) -> str:
    return str(info.get("egressId", ""))[:64]


def _get_or_create_row(call: Call, info: Mapping[str, Any]) -> Recording:
    defaults = {
        "workspace_id": call.workspace_id,
        "egress_id": _egress_id(info),
        "storage_key": storage_key(call),
    }
    return Recording.unscoped.get_or_create(call=call, defaults=defaults)[0]


def _mark_ready(call: Call, info: Mapping[str, Any], file: Mapping[str, Any], at: datetime) -> None:
    with transaction.atomic():
        row = _get_or_create_row(call, info)
        waiting = Recording.unscoped.filter(pk=row.pk, status__in=(Status.PENDING, Status.FAILED))
        won = waiting.update(
            status=Status.READY,
            egress_id=_egress_id(info),
            storage_key=str(file.get("filename") or row.storage_key)[:255],
            size_bytes=int(file.get("size", 0)),
            duration_seconds=int(file.get("duration", 0)) / NANOSECONDS_PER_SECOND,
            ready_at=at,
            error="",
        )
        if won:
            Call.unscoped.filter(pk=call.pk).update(has_recording=True)
            timeline.add_event(call, type="recording_ready", text="The recording is ready", at=at)


def fail_recording(call: Call, *, error: str, at: datetime, egress: str = "") -> None:
    """There will be no recording, and why. Another egress of the same room may still bring one."""
    with transaction.atomic():
        row = _get_or_create_row(call, {"egressId": egress})
        waiting = Recording.unscoped.filter(pk=row.pk, status=Status.PENDING).filter(
            Q(egress_id=egress) | Q(egress_id="")
        )
        if waiting.update(status=Status.FAILED, egress_id=egress, error=error[:500]):
            text = f"The recording failed: {error}"
            timeline.add_event(
                call, type="recording_failed", text=text, at=at, data={"error": error}
            )


# --- for the sweep: what nobody told us ---


def list_unrecorded_calls() -> list[Call]:
    """Answered calls whose agent records, of whose recording too little is known for too long."""
    now = database_now()
    unknown = Q(recording=None) | Q(recording__status=Status.PENDING, stage=Stage.ENDED)
    missed = Q(direction=Direction.INBOUND) | Q(
        answered_at__lt=now - RECORDING_WEBHOOK_GRACE
    )  # a shift sees to the calls it dials
    answered = Q(missed, stage=Stage.IN_PROGRESS) | Q(
        stage=Stage.ENDED,
        answered_at__isnull=False,
        ended_at__gt=now - RECORDING_LOOKBACK,
        ended_at__lt=now - RECORDING_WEBHOOK_GRACE,
    )
    calls = Call.unscoped.filter(answered, unknown, agent_version__config__recording_enabled=True)
    recent = lowest_id(
        now, later=-2 * RECORDING_LOOKBACK
    )  # ids sort by time, so only the end of the table is read
    return list(calls.filter(pk__gte=recent).order_by("-pk")[:RECORDINGS_PER_ROUND])


async def follow_recordings(livekit: LiveKit, db: OrmThread) -> int:
    """Ask LiveKit about recordings whose webhooks are missing, and start those that are not.
    Returns how many.
    """
    calls = await db(list_unrecorded_calls)
    gate = asyncio.Semaphore(MAX_PARALLEL_EGRESS_REQUESTS)

    async def follow(call: Call) -> None:
        async with gate:
            try:
                if call.stage == Stage.IN_PROGRESS:
                    found = await ensure_recording(livekit, call)
                else:
                    found = await find_egress(livekit, call.room)
            except ProviderError as error:
                logger.warning("The recording of call %s cannot be asked about: %s", call.pk, error)
                return
        now = await db(database_now)
        for info in found:
            await db(apply_egress, call, info, at=now)
        if not found:
            await db(fail_recording, call, error="LiveKit knows of no recording", at=now)

    await gather_isolated(follow(call) for call in calls)
    return len(calls)


# --- for those who listen ---


def create_recording_link(*, call: Call) -> tuple[str, datetime]:
    """A link that works as it is, and when it ends. Raises NotFound, ProviderError `S3 error: …`."""
    row = Recording.unscoped.filter(call=call, status=Status.READY).first()
    if row is None or not recording_storage.is_stored(row.storage_key):
        raise NotFound(RECORDING_NOT_FOUND)
    return recording_storage.link_to(
        row.storage_key, recording_id=row.pk, filename=download_name(row)
    )


def open_linked_recording(token: str) -> tuple[str, IO[bytes], int]:
    """What a local link leads to: a name to save it under, the open file and its size.

    Raises LinkExpired, and NotFound for a link that is not ours or a recording that is gone.
    """
    recording_id = recording_storage.read_link(token)
    row = recording_id and Recording.unscoped.filter(pk=recording_id, status=Status.READY).first()
    if not row or recording_storage.uses_s3():
        raise NotFound(RECORDING_NOT_FOUND)
    try:
        file = recording_storage.recordings_storage().open(row.storage_key)
    except (OSError, SuspiciousOperation) as error:
        raise NotFound(RECORDING_NOT_FOUND) from error
    return download_name(row), file, file.size


def download_name(row: Recording) -> str:
    return f"call-{row.call_id}.ogg"


# --- retention ---


def prune_recordings() -> int:
    """Delete recordings older than their workspace keeps them; how many. Raises ProviderError at
    the first failure.
    """
    now = database_now()
    pruned = 0
    for workspace in Workspace.unscoped.exclude(recording_retention_days=None).order_by("pk"):
        assert workspace.recording_retention_days is not None
        kept_since = now - timedelta(days=workspace.recording_retention_days)
        due = workspace.recordings.filter(status=Status.READY, ready_at__lt=kept_since)
        for row in due.order_by("pk").iterator(chunk_size=RECORDINGS_PER_ROUND):
            recording_storage.delete(row.storage_key)
            mark_pruned(row, now)
            pruned += 1
    return pruned


def mark_pruned(row: Recording, now: datetime) -> None:
    with transaction.atomic():
        Recording.unscoped.filter(pk=row.pk).update(status=Status.PRUNED)
        Call.unscoped.filter(pk=row.call_id).update(has_recording=False)
        text = "The recording was deleted when its time was over"
        timeline.add_event(row.call, type="recording_pruned", text=text, at=now)
