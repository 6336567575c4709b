"""Recordings: started after the answer by a request of its own, so that a failure costs no call.

LiveKit's egress writes the file, and its webhooks report how that went, in any order with those of
the room. Where they are lost, `follow_recordings` asks. A row exists as soon as anything is known
of an egress.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q

from agents.models import AgentVersion
from telephony.clients import recording_storage
from telephony.clients.livekit.egress import find_egress, start_egress
from telephony.clients.livekit.errors import is_timeout
from telephony.clients.livekit.session import LiveKit
from telephony.domain import timeline
from telephony.domain.late_evidence import LEFT_UNNOTICED, correct_end
from telephony.models import Call, Direction, Recording, Stage
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError
from voiceops.core.ids import lowest_id
from voiceops.core.isolation import gather_isolated
from voiceops.core.orm_thread import OrmThread

logger = logging.getLogger(__name__)

Status = Recording.Status
# A recording that reached LiveKit's limit is complete up to that limit.
EGRESS_DONE = ("EGRESS_COMPLETE", "EGRESS_LIMIT_REACHED")
EGRESS_FAILED = ("EGRESS_FAILED", "EGRESS_ABORTED")
RECORDING_WEBHOOK_GRACE = timedelta(seconds=10)  # before LiveKit is asked
RECORDING_LOOKBACK = timedelta(hours=1)  # after a call's end; older ones are not asked about
RECORDING_GIVE_UP = timedelta(minutes=2)  # after a call's end, while LiveKit cannot be asked
NO_EGRESS_SERVICE = "no egress service answers LiveKit"
NOT_STARTED_EVENT_ID = "vo:recording_not_started"
RECORDINGS_PER_ROUND = 50
MAX_PARALLEL_EGRESS_REQUESTS = 10
NANOSECONDS_PER_SECOND = 1e9

# While no egress service answers, every start would hold up the sweep for ten seconds.
EGRESS_PAUSE_SECONDS = 60.0
_pause = {"starts_until": 0.0}  # monotonic

# Whether a version records. Versions never change, so entries never become stale.
_recording_by_version: dict[UUID, bool] = {}


async def start_recordings(livekit: LiveKit, calls: Sequence[Call]) -> None:
    """Start recording those of the answered calls whose agent records.

    Never raises provider or connection errors, because `follow_recordings` tries again.
    """
    versions = {call.agent_version_id for call in calls if call.agent_version_id}
    try:
        unknown = versions - _recording_by_version.keys()
        if unknown:
            async with OrmThread() as db:
                _recording_by_version.update(await db(recording_flags, unknown))
    except (OperationalError, InterfaceError) as error:
        logger.warning("Recordings start later, the database cannot be reached: %s", error)
        return

    recorded = [
        call
        for call in calls
        if call.agent_version_id and _recording_by_version.get(call.agent_version_id)
    ]
    await asyncio.gather(*(_try_start(livekit, call) for call in recorded))


def recording_flags(versions: set[UUID]) -> dict[UUID, bool]:
    """Return for each version whether its agent records calls."""
    configs = AgentVersion.unscoped.filter(pk__in=versions).values_list("pk", "config")
    return {pk: bool(config.get("recording_enabled")) for pk, config in configs}


async def _try_start(livekit: LiveKit, call: Call) -> None:
    try:
        await ensure_recording(livekit, call)
    except ProviderError as error:
        try:
            async with OrmThread() as db:
                await db(record_failed_start, call, error)
        except (OperationalError, InterfaceError):
            logger.warning("The recording of call %s could not be started: %s", call.pk, error)


def record_failed_start(call: Call, error: ProviderError) -> None:
    """Report in the timeline, once, that the recording did not start. It is tried again.

    Without an egress service LiveKit does not answer the request at all.
    """
    logger.warning("The recording of call %s could not be started: %s", call.pk, error)
    reason = str(error)
    if is_timeout(error):
        reason = NO_EGRESS_SERVICE
        _pause["starts_until"] = time.monotonic() + EGRESS_PAUSE_SECONDS
    timeline.add_event(
        call,
        type="recording_failed",
        text=f"The recording could not be started: {reason}",
        at=database_now(),
        data={"error": reason},
        external_id=NOT_STARTED_EVENT_ID,
    )


async def ensure_recording(livekit: LiveKit, call: Call) -> list[dict[str, Any]]:
    """Start a recording unless one is running or done; returns LiveKit's egresses of the call.

    Raises ProviderError.
    """
    existing = await find_egress(livekit, call.room)
    usable = [info for info in existing if info.get("status") not in EGRESS_FAILED]
    return usable or [await start_egress(livekit, room=call.room, key=storage_key(call))]


def storage_key(call: Call) -> str:
    """Return where the call's recording is stored."""
    prefix = "recordings/" if recording_storage.uses_s3() else ""
    return f"{prefix}{call.workspace_id}/{call.pk}.ogg"


def apply_egress(call: Call, info: Mapping[str, Any], *, at: datetime) -> None:
    """Apply the state of an egress, as LiveKit's JSON describes it, to the call's recording."""
    status = str(info.get("status", ""))
    file = next(iter(info.get("fileResults") or []), info.get("file"))
    if status in EGRESS_DONE and file:
        _mark_ready(call, info, file, at)
    elif status in EGRESS_DONE or status in EGRESS_FAILED:
        error = str(info.get("error") or "nothing was recorded")
        fail_recording(call, error=error, egress=_egress_id(info), at=at)
    else:
        _get_or_create_row(call, _egress_id(info))


def _egress_id(info: Mapping[str, Any]) -> str:
    return str(info.get("egressId", ""))[:64]


def _get_or_create_row(call: Call, egress_id: str) -> Recording:
    defaults = {
        "workspace_id": call.workspace_id,
        "egress_id": egress_id,
        "storage_key": storage_key(call),
    }
    return Recording.unscoped.get_or_create(call=call, defaults=defaults)[0]


def _mark_ready(call: Call, info: Mapping[str, Any], file: Mapping[str, Any], at: datetime) -> None:
    egress_id = _egress_id(info)
    with transaction.atomic():
        row = _get_or_create_row(call, egress_id)
        # FAILED is not final: a second egress of the room may succeed.
        unfinished = Recording.unscoped.filter(
            pk=row.pk, status__in=(Status.PENDING, Status.FAILED)
        )
        became_ready = unfinished.update(
            status=Status.READY,
            egress_id=egress_id,
            storage_key=str(file.get("filename") or row.storage_key)[:255],
            size_bytes=int(file.get("size", 0)),
            duration_seconds=int(file.get("duration", 0)) / NANOSECONDS_PER_SECOND,
            ready_at=at,
            error="",
        )
        if became_ready:
            _correct_unseen_end(call, info)
            Call.unscoped.filter(pk=call.pk).update(has_recording=True)
            timeline.add_event(call, type="recording_ready", text="The recording is ready", at=at)


def _correct_unseen_end(call: Call, info: Mapping[str, Any]) -> None:
    """Take the egress's end for that of a call whose end no source saw, where it is the earlier."""
    ended_ns = int(info.get("endedAt") or 0)
    fresh = Call.unscoped.get(pk=call.pk)
    if not ended_ns or fresh.ended_at is None:
        return
    at = datetime.fromtimestamp(ended_ns / NANOSECONDS_PER_SECOND, UTC)
    if at < fresh.ended_at:
        correct_end(fresh, at=at, reason=LEFT_UNNOTICED)


def fail_recording(call: Call, *, error: str, at: datetime, egress: str = "") -> None:
    """Mark the call's recording as failed. Another egress of the room may still bring one."""
    with transaction.atomic():
        row = _get_or_create_row(call, egress)
        # Without an id it is an egress that LiveKit has never confirmed.
        same_egress = Q(egress_id=egress) | Q(egress_id="")
        pending = Recording.unscoped.filter(same_egress, pk=row.pk, status=Status.PENDING)
        if pending.update(status=Status.FAILED, egress_id=egress, error=error[:500]):
            text = f"The recording failed: {error}"
            data = {"error": error}
            timeline.add_event(call, type="recording_failed", text=text, at=at, data=data)


def record_failed_check(call: Call, error: ProviderError) -> None:
    """Report that LiveKit was asked in vain; gives up on a call that ended a while ago."""
    now = database_now()
    if call.ended_at is None:
        record_failed_start(call, error)
    elif now - call.ended_at > RECORDING_GIVE_UP:
        reason = NO_EGRESS_SERVICE if is_timeout(error) else str(error)
        fail_recording(call, error=reason, at=now)
    else:
        logger.warning("The recording of call %s cannot be checked: %s", call.pk, error)


def list_unrecorded_calls() -> list[Call]:
    """Return answered calls whose agent records, but whose recording is unknown for too long."""
    now = database_now()
    webhooks_due = now - RECORDING_WEBHOOK_GRACE
    in_progress = Q(stage=Stage.IN_PROGRESS)
    # A dispatcher starts the recordings of the calls it dials; those of inbound calls start here.
    in_progress &= Q(direction=Direction.INBOUND) | Q(answered_at__lt=webhooks_due)
    ended = Q(
        stage=Stage.ENDED,
        answered_at__isnull=False,
        ended_at__gt=now - RECORDING_LOOKBACK,
        ended_at__lt=webhooks_due,
    )
    unknown = Q(recording=None) | Q(recording__status=Status.PENDING, stage=Stage.ENDED)
    calls = Call.unscoped.filter(
        in_progress | ended, unknown, agent_version__config__recording_enabled=True
    )
    # Ids sort by time, so that only the newest part of the table is read.
    lowest = lowest_id(now, later=-2 * RECORDING_LOOKBACK)
    return list(calls.filter(pk__gte=lowest).order_by("-pk")[:RECORDINGS_PER_ROUND])


async def follow_recordings(livekit: LiveKit, db: OrmThread) -> int:
    """Ask LiveKit about recordings without webhooks, and start those that are missing.

    Returns how many calls were checked.
    """
    calls = await db(list_unrecorded_calls)
    turn = asyncio.Semaphore(MAX_PARALLEL_EGRESS_REQUESTS)

    async def follow(call: Call) -> None:
        async with turn:
            try:
                # Only a call in progress can still be recorded.
                if call.stage == Stage.IN_PROGRESS:
                    if time.monotonic() < _pause["starts_until"]:
                        return
                    found = await ensure_recording(livekit, call)
                else:
                    found = await find_egress(livekit, call.room)
            except ProviderError as error:
                await db(record_failed_check, call, error)
                return
        now = await db(database_now)
        for info in found:
            await db(apply_egress, call, info, at=now)
        if not found:
            await db(fail_recording, call, error="LiveKit has no recording of this call", at=now)

    await gather_isolated(follow(call) for call in calls)
    return len(calls)
