"""Follow calls that no source reports on.

LiveKit's webhooks are lossy and an agent can die, so a call that has gone silent is looked up at
LiveKit. One round also decides the calls in doubt.
"""

import asyncio
import logging
from datetime import datetime

from telephony.clients.livekit.rooms import Participant, list_participants
from telephony.clients.livekit.session import LiveKit
from telephony.dialing import reconciliation
from telephony.dialing.protocol import AGENT_REPORT_TOLERANCE, CALL_SILENCE
from telephony.dialing.room_deleter import delete_room_now
from telephony.domain import call_states
from telephony.domain.late_evidence import LEFT_UNNOTICED
from telephony.domain.latest_ends import DURATION_MARGIN, livekit_time, maximum_end, maximum_seconds
from telephony.domain.timeline import raise_alarm
from telephony.models import Call, Direction, Stage
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError
from voiceops.core.isolation import gather_isolated
from voiceops.core.orm_thread import OrmThread

logger = logging.getLogger(__name__)

MAX_CONCURRENT_QUERIES = 20  # to LiveKit
# A silent call is asked about within a sweep or two, unless we or LiveKit were away.
MAX_ATTENDED_SILENCE = 2 * CALL_SILENCE


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
    silent = await db(calls_to_poll)
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
        present = await reconciliation.gather_evidence(livekit, db, call, now)
    # Before the conclusion: a process that dies in between must not restart the wait.
    if call.room_deleted_at != deleted_before:
        await db(call.touch, call.heard_at or now, room_deleted_at=call.room_deleted_at)
    await db(reconciliation.conclude_doubt, call, now, present)


async def _follow_silent(
    livekit: LiveKit, db: OrmThread, call: Call, now: datetime, places: asyncio.Semaphore
) -> None:
    overdue = is_overdue(call, now)
    try:
        async with places:
            present = await list_participants(livekit, call.room)
            overdue = overdue and _has_callee(call, present)
            if overdue:
                await delete_room_now(livekit, db, call)
    except ProviderError as error:
        logger.warning("Call %s is silent and LiveKit cannot be asked: %s", call.pk, error)
        if overdue:
            await db(end_overdue, call, now, room_is_open=True)
        return
    await (db(end_overdue, call, now) if overdue else db(record_presence, call, present))


def calls_to_poll() -> list[Call]:
    """Return the answered calls that are silent or have lasted too long, each once."""
    overdue = overdue_calls(database_now())
    known = {call.pk for call in overdue}
    return overdue + [call for call in silent_calls() if call.pk not in known]


def overdue_calls(now: datetime) -> list[Call]:
    """Return answered calls past their latest end, also those whose agent goes on reporting."""
    in_progress = Call.unscoped.filter(stage=Stage.IN_PROGRESS)
    overdue: list[Call] = []
    # The limit is the version's, and few versions are on the line at once.
    for version_id in set(
        in_progress.order_by().values_list("agent_version_id", flat=True).distinct()
    ):
        calls = in_progress.filter(agent_version_id=version_id).select_related("agent_version")
        example = calls.first()
        if example is not None:
            limit = livekit_time(maximum_seconds(example)) + DURATION_MARGIN
            overdue += calls.filter(answered_at__lt=now - limit)[
                : reconciliation.RECONCILE_CHUNK_ROWS
            ]
    return overdue[: reconciliation.RECONCILE_CHUNK_ROWS]


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
    call_states.mark_hung_up(
        call,
        at=estimate_end(call, now),
        reason=LEFT_UNNOTICED,
        source="poll",
        text="The call was over",
    )


def estimate_end(call: Call, now: datetime) -> datetime:
    """Return when a call ended that no source saw ending; later evidence corrects it.

    While other agents were heard, the last report of this one is close to the end. When none was,
    it is us who were deaf, and only the maximum duration bounds the end. A call that nobody has
    asked about for long ended while we were away, whoever is heard since.
    """
    heard_at = call.heard_at or now
    if now - heard_at > MAX_ATTENDED_SILENCE:
        return min(now, maximum_end(call) or now)
    others = Call.unscoped.open().exclude(pk=call.pk)
    if others.filter(agent_seen_at__gt=heard_at + AGENT_REPORT_TOLERANCE).exists():
        return heard_at
    return min(now, maximum_end(call) or now)


def is_overdue(call: Call, now: datetime) -> bool:
    """Return whether LiveKit or the agent should have ended an answered call a while ago.

    LiveKit itself enforces the maximum duration only on calls that we dialled.
    """
    if call.answered_at is None:
        return False
    return now > call.answered_at + livekit_time(maximum_seconds(call)) + DURATION_MARGIN


def end_overdue(call: Call, now: datetime, *, room_is_open: bool = False) -> None:
    """Record the end of a call past its latest end; `room_is_open` when LiveKit did not help."""
    ended_at = min(now, maximum_end(call) or now)
    call_states.mark_hung_up(call, at=ended_at, reason="max_duration", by="agent", source="clock")
    if room_is_open:
        raise_alarm(call, at=now, text=reconciliation.ROOM_LEFT_OPEN, source="clock")


def _has_callee(call: Call, present: list[Participant]) -> bool:
    return any(is_callee_participant(call, participant) for participant in present)


def is_callee_participant(call: Call, participant: Participant) -> bool:
    """Return whether this is the other end of the call: its telephone or its browser.

    The callee and a browser have the identity that we gave them; a caller's was chosen by LiveKit.
    """
    if participant.identity == call.callee_identity:
        return True
    return call.direction == Direction.INBOUND and participant.is_callee
