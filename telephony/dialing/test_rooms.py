"""The rooms of test calls, which have no agent: made before the dial, closed at the answer."""

import logging
from collections.abc import Sequence

from django.conf import settings

from telephony.clients.livekit.rooms import create_room_without_agent, verdict_on_room
from telephony.clients.livekit.session import LiveKit
from telephony.dialing import jobs
from telephony.dialing.protocol import ROOM_MARGIN_SECONDS
from telephony.dialing.room_deleter import delete_room_now
from telephony.domain.dial_verdicts import Verdict
from telephony.models import Call
from voiceops.core.errors import ProviderError
from voiceops.core.orm_thread import OrmThread

logger = logging.getLogger(__name__)


async def open_test_room(livekit: LiveKit, call: Call) -> Verdict | None:
    """Make the room; returns why the call cannot be dialled when LiveKit refused it."""
    empty_timeout = int(settings.DIAL_FENCE_SECONDS) + ROOM_MARGIN_SECONDS
    try:
        await create_room_without_agent(livekit, call.room, empty_timeout=empty_timeout)
    except ProviderError as error:
        logger.warning("The room of test call %s could not be made: %s", call.pk, error)
        return verdict_on_room(error)
    return None


async def hang_up_tests(livekit: LiveKit, db: OrmThread, answered: Sequence[Call]) -> None:
    """End test calls: our rows first, because LiveKit's webhook would count as the callee's."""
    for call in await db(jobs.end_test_calls, answered):
        try:
            await delete_room_now(livekit, db, call)
        except ProviderError as error:
            # LiveKit ends the call by its maximum duration.
            logger.info("The room of test call %s will close by itself: %s", call.pk, error)
