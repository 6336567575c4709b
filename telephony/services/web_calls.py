"""Test calls from a browser: a room with the agent in it, and a token that opens this room and nothing else."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts import audit
from accounts.access import Access
from agents.models import Agent
from telephony import lifecycle
from telephony.clients.livekit import RoomOrder, verdict_on_room
from telephony.clients.livekit_calls import SEAT_LASTS, in_session, seat_for_browser
from telephony.job import metadata_of
from telephony.models import Call, Direction, Stage
from telephony.services.calls import published_version, refuse_too_long, require_variables
from voiceops.clock import database_now
from voiceops.errors import ProviderError
from voiceops.ids import uuid7

BROWSER = "web"  # what stands where a caller's number would


@dataclass(frozen=True)
class Seat:
    call_id: str
    url: str
    token: str = field(repr=False)
    room: str


def open_web_call(*, agent: Agent, variables: dict[str, Any], access: Access | None = None) -> Seat:
    """Raises StateForbids when the agent is not published, Invalid when variables lack or are long, ProviderError."""
    version = published_version(agent)
    require_variables(version, variables)
    config = version.whole_config()  # before anything is written
    pk = uuid7()
    call = Call(
        pk=pk,
        workspace_id=agent.workspace_id,
        direction=Direction.INBOUND,
        stage=Stage.RINGING,
        agent=agent,
        agent_version=version,
        from_number=BROWSER,
        to_number=agent.name[:64],
        variables=variables,
        room=f"vo-{pk}",
    )
    refuse_too_long(call, version)
    with transaction.atomic():
        call.save(force_insert=True)
        lifecycle.record(call, type="queued", text="A test call in a browser was opened", at=call.created_at)
        audit.record("call.opened_in_browser", access=access, target=call)
    order = RoomOrder(
        name=call.room,
        agent_name=settings.LIVEKIT_AGENT_NAME,
        agent_metadata=metadata_of(call, config),
        empty_timeout=int(SEAT_LASTS.total_seconds()),
    )
    try:
        in_session(lambda livekit: livekit.create_room(order))
    except ProviderError as error:
        lifecycle.failed(call, verdict=verdict_on_room(error), at=database_now())
        raise
    token = seat_for_browser(room=call.room, identity=call.callee_identity)
    return Seat(call_id=str(pk), url=browser_url(), token=token, room=call.room)


def browser_url() -> str:
    """Browsers reach LiveKit over a web socket."""
    return (
        settings.LIVEKIT_URL.replace("http", "ws", 1)
        if settings.LIVEKIT_URL.startswith("http")
        else settings.LIVEKIT_URL
    )


def close_unused(limit: int = 200) -> int:
    """End test calls nobody came to: their token has expired. For the sweep."""
    now = database_now()
    stale = Call.unscoped.open().filter(stage=Stage.RINGING, direction=Direction.INBOUND, from_number=BROWSER)
    stale = stale.filter(created_at__lt=now - SEAT_LASTS - timedelta(minutes=1), answered_at=None)
    return sum(lifecycle.cancelled(call, at=now, by="operator") for call in stale.order_by("pk")[:limit])
