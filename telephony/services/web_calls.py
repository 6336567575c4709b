"""Test calls from a browser: a room with the agent in it, and a token that opens this room and
nothing else.
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
from agents.models import Agent
from agents.services import published_version
from telephony.clients.livekit.errors import REQUEST_TIMEOUT_SECONDS
from telephony.clients.livekit.rooms import (
    Participant,
    RoomRequest,
    create_room,
    delete_room,
    list_participants,
    verdict_on_room,
)
from telephony.clients.livekit.session import LiveKit, run_in_session
from telephony.clients.livekit.tokens import BROWSER_TOKEN_LIFETIME, browser_token
from telephony.domain import call_states, timeline
from telephony.domain.agent_metadata import metadata_of
from telephony.domain.dial_verdicts import Blame, Verdict
from telephony.models import Call, Direction, Outcome, Stage
from telephony.services.calls import require_metadata_fits, require_variables
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError
from voiceops.core.ids import uuid7
from voiceops.core.isolation import gather_isolated
from voiceops.core.orm_thread import OrmThread

logger = logging.getLogger(__name__)

BROWSER_CALLER = "web"  # what stands where a caller's number would
# From the row on: the room is made first (LiveKit has so long to answer), and LiveKit takes a token
# a minute longer.
BROWSER_TOKEN_USABLE_FOR = (
    timedelta(seconds=REQUEST_TIMEOUT_SECONDS) + BROWSER_TOKEN_LIFETIME + timedelta(minutes=1)
)
ROOM_OUTLIVES_TOKEN_BY = timedelta(minutes=1)  # or who comes last would find no agent
UNUSED_CALLS_PER_ROUND = 200
NO_ONE_JOINED = Verdict(
    Outcome.CANCELLED,
    "nobody_joined",
    Blame.PLATFORM_POLICY,
    "Nobody joined the test call while its link was good",
    sent=False,
)


@dataclass(frozen=True)
class BrowserToken:
    call_id: str
    url: str
    token: str = field(repr=False)
    room: str


def open_web_call(
    *, agent: Agent, variables: dict[str, Any], principal: Principal | None = None
) -> BrowserToken:
    """Raises StateForbids when the agent is not published, Invalid when variables lack or are long,
    ProviderError.
    """
    version = published_version(agent)
    require_variables(version, variables)
    config = version.config_with_secrets()  # before anything is written
    pk = uuid7()
    call = Call(
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
    require_metadata_fits(call, version)
    with transaction.atomic():
        call.save(force_insert=True)
        timeline.add_event(
            call, type="queued", text="A test call in a browser was opened", at=call.created_at
        )
        audit.record("call.opened_in_browser", principal=principal, target=call)
    order = RoomRequest(
        name=call.room,
        agent_name=settings.LIVEKIT_AGENT_NAME,
        agent_metadata=metadata_of(call, config),
        empty_timeout=int((BROWSER_TOKEN_USABLE_FOR + ROOM_OUTLIVES_TOKEN_BY).total_seconds()),
    )
    try:
        run_in_session(lambda livekit: create_room(livekit, order))
    except ProviderError as error:
        call_states.mark_failed(call, verdict=verdict_on_room(error), at=database_now())
        raise
    token = browser_token(room=call.room, identity=call.callee_identity)
    return BrowserToken(call_id=str(pk), url=browser_url(), token=token, room=call.room)


def browser_url() -> str:
    """Browsers reach LiveKit over a web socket."""
    return (
        settings.LIVEKIT_URL.replace("http", "ws", 1)
        if settings.LIVEKIT_URL.startswith("http")
        else settings.LIVEKIT_URL
    )


# --- for the sweep ---


def list_unused_web_calls() -> list[Call]:
    """Test calls nobody is known to have come to, and nobody can come to any more."""
    ringing = Call.unscoped.filter(
        stage=Stage.RINGING, direction=Direction.INBOUND, from_number=BROWSER_CALLER
    )
    return list(
        ringing.filter(created_at__lt=database_now() - BROWSER_TOKEN_USABLE_FOR).order_by("pk")[
            :UNUSED_CALLS_PER_ROUND
        ]
    )


async def close_unused_web_calls(livekit: LiveKit, db: OrmThread) -> int:
    """End test calls nobody came to; until then they count as calls of their workspace. Returns how
    many it asked of.

    Who joined in the last moment, and of whom no news came through, is found in the room.
    """

    async def follow(call: Call) -> None:
        try:
            if not await db(conclude_web_call, call, await list_participants(livekit, call.room)):
                await delete_room(livekit, call.room)  # our agent waits in it
        except ProviderError as error:
            logger.warning("Test call %s cannot be looked into: %s", call.pk, error)

    calls = await db(list_unused_web_calls)
    await gather_isolated(follow(call) for call in calls)
    return len(calls)


def conclude_web_call(call: Call, present: Sequence[Participant]) -> bool:
    """Whether somebody took the seat; if nobody did, the call is over."""
    now = database_now()
    if any(participant.identity == call.callee_identity for participant in present):
        call_states.mark_callee_joined(call, at=now, source="poll")
        call_states.mark_answered(call, at=now, source="poll")
        return True
    return not call_states.mark_failed(
        call, verdict=NO_ONE_JOINED, at=now, since=(Stage.RINGING,), source="sweep"
    )
