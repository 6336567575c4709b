"""Web calls: test calls from a browser, to a room with the agent in it.

The browser gets a token that opens this room and nothing else.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from agents.models import Agent, AgentVersion
from agents.services import published_version
from telephony.clients.livekit.errors import LIVEKIT_TIMEOUT_SECONDS
from telephony.clients.livekit.rooms import (
    Participant,
    RoomRequest,
    create_room,
    list_participants,
    verdict_on_room,
)
from telephony.clients.livekit.session import LiveKit, run_in_session
from telephony.clients.livekit.tokens import BROWSER_TOKEN_LIFETIME, browser_token
from telephony.dialing.room_deleter import delete_room_now
from telephony.domain import call_states, timeline
from telephony.domain.agent_metadata import metadata_of
from telephony.domain.dial_verdicts import Blame, Verdict
from telephony.domain.latest_ends import OUTAGE_MARGIN
from telephony.models import Call, Direction, Outcome, Stage
from telephony.services.calls import require_metadata_fits, require_variables
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError
from voiceops.core.ids import uuid7
from voiceops.core.isolation import gather_isolated
from voiceops.core.orm_thread import OrmThread

logger = logging.getLogger(__name__)

BROWSER_CALLER = "web"  # stands where a caller's number would
# Counted from the row on: the room is created first, for which LiveKit has the request timeout, and
# LiveKit accepts a token for a minute after it has expired.
BROWSER_TOKEN_USABLE_FOR = (
    timedelta(seconds=LIVEKIT_TIMEOUT_SECONDS) + BROWSER_TOKEN_LIFETIME + timedelta(minutes=1)
)
# An empty room must outlive the token, or a late browser would find no agent.
ROOM_OUTLIVES_TOKEN_BY = timedelta(minutes=1)
UNUSED_CALLS_PER_ROUND = 200
NO_ONE_JOINED = Verdict(
    Outcome.CANCELLED,
    "nobody_joined",
    Blame.PLATFORM_POLICY,
    "Nobody joined the test call before its link expired",
    sent=False,
)


@dataclass(frozen=True)
class BrowserToken:
    """What a browser needs to join a web call."""

    call_id: str
    url: str
    token: str = field(repr=False)
    room: str


def open_web_call(
    *, agent: Agent, variables: dict[str, Any], principal: Principal | None = None
) -> BrowserToken:
    """Open a room with the agent in it, and return what a browser needs to join.

    Raises StateForbids when the agent is not published, Invalid when variables are missing or too
    long, and ProviderError when LiveKit could not open the room.
    """
    version = published_version(agent)
    require_variables(version, variables)
    # Before anything is written, because secrets that cannot be decrypted end here.
    config = version.config_with_secrets()
    call = _build_call(agent, version, variables)
    require_metadata_fits(call, version)

    # The row first: a room without a row would be invisible to the sweep.
    with transaction.atomic():
        call.save(force_insert=True)
        text = "A test call in a browser was opened"
        timeline.add_event(call, type="queued", text=text, at=call.created_at)
        audit.record("call.opened_in_browser", principal=principal, target=call)
    _create_room(call, metadata_of(call, config))

    token = browser_token(room=call.room, identity=call.callee_identity)
    return BrowserToken(call_id=str(call.pk), url=browser_url(), token=token, room=call.room)


def browser_url() -> str:
    """Return LiveKit's address for browsers, which connect over a web socket."""
    url: str = settings.LIVEKIT_URL
    return url.replace("http", "ws", 1) if url.startswith("http") else url


def list_unused_web_calls() -> list[Call]:
    """Return calls that no browser is known to have joined, and none can join any more."""
    ringing = Call.unscoped.filter(
        stage=Stage.RINGING, direction=Direction.INBOUND, from_number=BROWSER_CALLER
    )
    expired = ringing.filter(created_at__lt=database_now() - BROWSER_TOKEN_USABLE_FOR)
    return list(expired.order_by("pk")[:UNUSED_CALLS_PER_ROUND])


async def close_unused_web_calls(livekit: LiveKit, db: OrmThread) -> int:
    """End web calls that no browser joined; returns how many were checked.

    Until then they count as open calls of their workspace. A browser that joined at the last
    moment, and whose webhook was lost, is found in the room.
    """

    async def follow(call: Call) -> None:
        try:
            present = await list_participants(livekit, call.room)
            if not await db(conclude_web_call, call, present):
                # Our agent still waits in the room.
                await delete_room_now(livekit, db, call)
        except ProviderError as error:
            logger.warning("Web call %s cannot be checked at LiveKit: %s", call.pk, error)
            await db(end_at_latest_end, call)

    calls = await db(list_unused_web_calls)
    await gather_isolated(follow(call) for call in calls)
    return len(calls)


def end_at_latest_end(call: Call) -> None:
    """End a call that no browser is known to have joined although LiveKit cannot be asked."""
    now = database_now()
    if now >= call.created_at + BROWSER_TOKEN_USABLE_FOR + OUTAGE_MARGIN:
        call_states.mark_failed(
            call, verdict=NO_ONE_JOINED, at=now, since=(Stage.RINGING,), source="clock"
        )


def conclude_web_call(call: Call, present: Sequence[Participant]) -> bool:
    """Mark the call as answered when the browser is in the room, else end it.

    Returns False when the call was ended here.
    """
    now = database_now()
    if any(participant.identity == call.callee_identity for participant in present):
        call_states.mark_callee_joined(call, at=now, source="poll")
        call_states.mark_answered(call, at=now, source="poll")
        return True
    return not call_states.mark_failed(
        call, verdict=NO_ONE_JOINED, at=now, since=(Stage.RINGING,), source="sweep"
    )


def _build_call(agent: Agent, version: AgentVersion, variables: dict[str, Any]) -> Call:
    pk = uuid7()
    return Call(
        pk=pk,
        workspace_id=agent.workspace_id,
        direction=Direction.INBOUND,
        stage=Stage.RINGING,
        agent=agent,
        agent_version=version,
        from_number=BROWSER_CALLER,
        to_number=agent.name[:64],
        variables=variables,
        room=f"vo-{pk}",
    )


def _create_room(call: Call, metadata: str) -> None:
    """Create the room with its agent. Raises ProviderError after ending the call."""
    empty_timeout = BROWSER_TOKEN_USABLE_FOR + ROOM_OUTLIVES_TOKEN_BY
    request = RoomRequest(
        name=call.room,
        agent_name=settings.LIVEKIT_AGENT_NAME,
        agent_metadata=metadata,
        empty_timeout=int(empty_timeout.total_seconds()),
    )
    try:
        run_in_session(lambda livekit: create_room(livekit, request))
    except ProviderError as error:
        call_states.mark_failed(call, verdict=verdict_on_room(error), at=database_now())
        raise
