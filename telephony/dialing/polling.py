"""Follow calls nobody reports on: LiveKit's webhooks are lossy and an agent can die, so silence is
looked into.
"""

import asyncio
import logging
from datetime import datetime, timedelta

from telephony.clients.livekit.rooms import Participant, delete_room, list_participants
from telephony.clients.livekit.session import LiveKit
from telephony.dialing import reconciliation
from telephony.domain import call_states
from telephony.models import Call, Stage
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError
from voiceops.core.isolation import gather_isolated
from voiceops.core.orm_thread import OrmThread

logger = logging.getLogger(__name__)

SILENT = timedelta(seconds=10)  # an agent reports every two seconds
LONGEST_CALL = 600  # seconds, where no agent says
GRACE = timedelta(minutes=1)  # for what is said at the end
AT_ONCE = 20  # questions to LiveKit under way together


def silent_calls() -> list[Call]:
    """Answered calls without a sign of life."""
    quiet = Call.unscoped.filter(stage=Stage.IN_PROGRESS, heard_at__lt=database_now() - SILENT)
    return list(
        quiet.select_related("agent_version").order_by("heard_at", "pk")[: reconciliation.CHUNK]
    )


def note_presence(call: Call, present: list[Participant]) -> None:
    """Close an answered call whose leg is gone; note that it lives when it is not."""
    now = database_now()
    if any(is_other_end(call, participant) for participant in present):
        call.touch(now)
    else:
        call_states.mark_hung_up(
            call,
            at=call.heard_at or now,
            reason="left_unnoticed",
            source="poll",
            text="The call was over",
        )


def is_overdue(call: Call, now: datetime) -> bool:
    """Whether an answered call is past the end its agent should have made. LiveKit ends only those
    we dialled.
    """
    config = call.agent_version.config if call.agent_version else {}
    most = timedelta(seconds=config.get("max_call_duration_seconds", LONGEST_CALL))
    return call.answered_at is not None and now > call.answered_at + most + GRACE


def end_overdue(call: Call, now: datetime) -> None:
    call_states.mark_hung_up(call, at=now, reason="max_duration", by="agent", source="poll")


def is_other_end(call: Call, participant: Participant) -> bool:
    """The callee, by the name we gave them (a browser's too); of a caller's leg LiveKit chose it."""
    named = participant.identity == call.callee_identity
    return named or (call.direction == "inbound" and participant.is_callee)


async def reconcile_calls(livekit: LiveKit, db: OrmThread) -> int:
    """One round over everything in doubt or silent; returns how many calls it looked at. Safe to
    run twice at once.
    """
    await db(reconciliation.close_abandoned)
    await db(reconciliation.mark_unattended)
    now = await db(database_now)
    doubtful = await db(reconciliation.in_doubt, now)
    silent = await db(silent_calls)
    if not doubtful and not silent:
        return 0
    gate = asyncio.Semaphore(AT_ONCE)

    async def doubt(call: Call) -> None:
        async with gate:
            before = call.room_deleted_at
            present = await reconciliation.ask(livekit, call, now)
        if call.room_deleted_at != before:
            await db(call.touch, call.heard_at or now, room_deleted_at=call.room_deleted_at)
        await db(reconciliation.conclude, call, now, present)

    async def silence(call: Call) -> None:
        try:
            async with gate:
                present = await list_participants(livekit, call.room)
                if is_overdue(call, now) and any(is_other_end(call, one) for one in present):
                    await delete_room(livekit, call.room)
                    await db(end_overdue, call, now)
                    return
        except ProviderError as error:
            logger.warning("Call %s is silent and LiveKit cannot be asked: %s", call.pk, error)
            return
        await db(note_presence, call, present)

    await gather_isolated(
        [*(doubt(call) for call in doubtful), *(silence(call) for call in silent)]
    )
    return len(doubtful) + len(silent)
