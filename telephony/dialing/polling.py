"""Follow calls that no source reports on.

LiveKit's webhooks are lossy and an agent can die, so a call that has gone silent is looked up at
LiveKit. One round also decides the calls in doubt.
"""

import asyncio
import logging
from datetime import datetime, timedelta

from telephony.clients.livekit.rooms import Participant, delete_room, list_participants
from telephony.clients.livekit.session import LiveKit
from telephony.dialing import reconciliation
from telephony.dialing.protocol import CALL_OVERTIME, CALL_SILENCE, DEFAULT_MAX_CALL_SECONDS
from telephony.domain import call_states
from telephony.models import Call, Direction, Stage
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError
from voiceops.core.isolation import gather_isolated
from voiceops.core.orm_thread import OrmThread

logger = logging.getLogger(__name__)

MAX_CONCURRENT_QUERIES = 20  # to LiveKit


async def reconcile_calls(livekit: LiveKit, db: OrmThread) -> int:
    """Do one round over every call in doubt or silent; returns how many were checked.

    Safe to run in several processes at once. Raises OperationalError or InterfaceError when the
    database is unreachable.
    """
    # First what a dead dispatcher left behind, so that this round can decide it.
    await db(reconciliation.close_abandoned)
    await db(reconciliation.leave_unattended_in_doubt)
    now = await db(database_now)
    doubtful = await db(reconciliation.calls_in_doubt, now)
    silent = await db(silent_calls)
    places = asyncio.Semaphore(MAX_CONCURRENT_QUERIES)
    await gather_isolated(
        [
            *(_follow_doubtful(livekit, db, call, now, places) for call in doubtful),
            *(_follow_silent(livekit, db, call, now, places) for call in silent),
        ]
    )
    return len(doubtful) + len(silent)


async def _follow_doubtful(
    livekit: LiveKit, db: OrmThread, call: Call, now: datetime, places: asyncio.Semaphore
) -> None:
    deleted_before = call.room_deleted_at
    async with places:
        present = await reconciliation.gather_evidence(livekit, call, now)
    # Before the conclusion: a process that dies in between must not restart the wait.
    if call.room_deleted_at != deleted_before:
        await db(call.touch, call.heard_at or now, room_deleted_at=call.room_deleted_at)
    await db(reconciliation.conclude_doubt, call, now, present)


async def _follow_silent(
    livekit: LiveKit, db: OrmThread, call: Call, now: datetime, places: asyncio.Semaphore
) -> None:
    try:
        async with places:
            present = await list_participants(livekit, call.room)
            if is_overdue(call, now) and _has_callee(call, present):
                await delete_room(livekit, call.room)
                await db(end_overdue, call, now)
                return
    except ProviderError as error:
        logger.warning("Call %s is silent and LiveKit cannot be asked: %s", call.pk, error)
        return
    await db(record_presence, call, present)


def silent_calls() -> list[Call]:
    """Return answered calls of which no source has reported lately."""
    silent = Call.unscoped.filter(
        stage=Stage.IN_PROGRESS, heard_at__lt=database_now() - CALL_SILENCE
    )
    in_order = silent.select_related("agent_version").order_by("heard_at", "pk")
    return list(in_order[: reconciliation.RECONCILE_CHUNK_ROWS])


def record_presence(call: Call, present: list[Participant]) -> None:
    """End an answered call whose leg is gone; otherwise record that it lives."""
    now = database_now()
    if _has_callee(call, present):
        call.touch(now)
        return
    # It ended some time after the last report, whose time is the best that is known.
    call_states.mark_hung_up(
        call,
        at=call.heard_at or now,
        reason="left_unnoticed",
        source="poll",
        text="The call was over",
    )


def is_overdue(call: Call, now: datetime) -> bool:
    """Return whether the agent should have ended an answered call a while ago.

    LiveKit itself enforces the maximum duration only on calls that we dialled.
    """
    if call.answered_at is None:
        return False
    config = call.agent_version.config if call.agent_version else {}
    seconds = config.get("max_call_duration_seconds", DEFAULT_MAX_CALL_SECONDS)
    return now > call.answered_at + timedelta(seconds=seconds) + CALL_OVERTIME


def end_overdue(call: Call, now: datetime) -> None:
    """Record the end of a call whose room was deleted because it was overdue."""
    call_states.mark_hung_up(call, at=now, reason="max_duration", by="agent", source="poll")


def _has_callee(call: Call, present: list[Participant]) -> bool:
    return any(is_callee_participant(call, participant) for participant in present)


def is_callee_participant(call: Call, participant: Participant) -> bool:
    """Return whether this is the other end of the call: its telephone or its browser.

    The callee and a browser have the identity that we gave them; a caller's was chosen by LiveKit.
    """
    if participant.identity == call.callee_identity:
        return True
    return call.direction == Direction.INBOUND and participant.is_callee
