"""Somebody calls one of our numbers. LiveKit's dispatch rule opens a room; its webhook tells us of
the call.

The agent is dispatched from here and not by the rule, so that it gets what every agent gets: the
newest published version, and a report token of this very call. The caller hears it ring meanwhile.
Where the webhook is lost, the sweep finds the room.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q

from agents.services import find_published_version
from telephony.clients.livekit import calls as livekit_calls
from telephony.clients.livekit.rooms import Participant, delete_room, list_participants, list_rooms
from telephony.clients.livekit.session import LiveKit, run_in_session
from telephony.domain import call_states, room_names, timeline
from telephony.domain.agent_metadata import metadata_of
from telephony.domain.dial_verdicts import Blame, Verdict
from telephony.models import Call, Direction, InboxEvent, Outcome, PhoneNumber, Stage
from voiceops.core.clock import database_now
from voiceops.core.crypto import DecryptError
from voiceops.core.errors import ProviderError
from voiceops.core.ids import uuid7
from voiceops.core.isolation import gather_isolated
from voiceops.core.orm_thread import OrmThread

logger = logging.getLogger(__name__)

ANONYMOUS_CALLER = "anonymous"
AGENT_JOIN_TIMEOUT = timedelta(seconds=10)  # until an agent that has not joined counts as missing
AGENT_EXPECTED_WITHIN = timedelta(seconds=5)
INBOUND_WEBHOOK_GRACE = timedelta(
    seconds=3
)  # webhooks and reports of a call that is a moment old may be on their way
MAX_RINGING_CALLS_PER_ROUND = 100
NO_AGENT_ANSWERED = Verdict(
    Outcome.NO_ANSWER, "no_agent", Blame.PLATFORM, "No voice agent answered"
)
NUMBER_WITHOUT_AGENT = Verdict(
    Outcome.NO_ANSWER,
    "number_without_agent",
    Blame.PLATFORM_POLICY,
    "The number has no published agent",
)
CALLER_HUNG_UP = Verdict(
    Outcome.NO_ANSWER, "caller_hung_up", Blame.CALLEE, "The caller hung up before anybody answered"
)


def open_call(
    room: str, *, attributes: Mapping[str, Any] | None = None, at: datetime
) -> Call | None:
    """The call of an inbound room, made at the first news of it, whichever that is. None for other
    rooms.
    """
    number_id = room_names.number_of(room)
    number = (
        number_id
        and PhoneNumber.unscoped.select_related("inbound_agent").filter(pk=number_id).first()
    )
    if not number:
        return None
    agent = number.inbound_agent
    if (
        agent is not None and agent.deleted_at is not None
    ):  # deleted while it was being put on the number
        agent = None
    with transaction.atomic():
        call, made = Call.unscoped.get_or_create(
            room=room,
            defaults={
                "pk": uuid7(),
                "workspace_id": number.workspace_id,
                "direction": Direction.INBOUND,
                "stage": Stage.RINGING,
                "agent": agent,
                "agent_version": find_published_version(agent) if agent else None,
                "number": number,
                "from_number": caller_number(room, attributes or {}),
                "to_number": number.phone_number,
            },
        )
        if made:
            _start_ringing(call, max(at, call.created_at))
    return call


def _start_ringing(call: Call, at: datetime) -> None:
    call.dialed_at = call.ringing_at = call.heard_at = at
    call.save(update_fields=["dialed_at", "ringing_at", "heard_at"])
    timeline.add_event(
        call, type="ringing", text=f"{call.from_number} is calling {call.to_number}", at=at
    )
    transaction.on_commit(partial(dispatch_agent, call))


def caller_number(room: str, attributes: Mapping[str, Any]) -> str:
    """Who calls, by the SIP participant or else by the room's name; `anonymous` when they withhold
    it.
    """
    told = str(attributes.get("sip.phoneNumber") or room.partition("_")[2].rpartition("_")[0])
    return told[:64] if told.removeprefix("+").isdigit() else ANONYMOUS_CALLER


def dispatch_agent(call: Call) -> None:
    """Put the agent to work in the caller's room. Where LiveKit cannot be asked, the sweep tries
    again.
    """
    now = database_now()
    version = call.agent_version
    unclaimed = Call.unscoped.filter(pk=call.pk, stage=Stage.RINGING, agent_joined_at=None)
    unclaimed = unclaimed.filter(Q(lease_expires_at=None) | Q(lease_expires_at__lt=now))
    if version is None or not unclaimed.update(lease_expires_at=now + AGENT_JOIN_TIMEOUT):
        return
    try:
        metadata = metadata_of(call, version.config_with_secrets())
    except DecryptError as error:
        logger.warning(
            "The secrets of the agent of inbound call %s cannot be read: %s", call.pk, error
        )
        return
    try:
        run_in_session(
            lambda livekit: livekit_calls.dispatch_agent(livekit, room=call.room, metadata=metadata)
        )
    except ProviderError as error:
        logger.warning("No agent could be brought to inbound call %s: %s", call.pk, error)
        Call.unscoped.filter(pk=call.pk, lease_expires_at=now + AGENT_JOIN_TIMEOUT).update(
            lease_expires_at=None
        )


# --- for the sweep ---


async def follow_inbound_calls(livekit: LiveKit, db: OrmThread) -> int:
    """Look into rooms nobody told us of, and calls that ring for long. Returns how many calls it
    looked at.
    """
    if await db(numbers_take_calls):
        try:
            rooms = await list_rooms(livekit)
        except ProviderError as error:
            logger.warning("Inbound rooms cannot be looked for: %s", error)
            return 0
        await db(open_unknown_rooms, [room for room in rooms if room_names.number_of(room)])
    calls = await db(list_ringing_calls)
    await gather_isolated(follow_ringing_call(livekit, db, call) for call in calls)
    return len(calls)


def numbers_take_calls() -> bool:
    return PhoneNumber.unscoped.exclude(inbound_agent=None).exists()


def open_unknown_rooms(rooms: list[str]) -> None:
    known = set(Call.unscoped.filter(room__in=rooms).values_list("room", flat=True))
    for room in set(rooms) - known:
        open_call(room, at=database_now())


def list_ringing_calls() -> list[Call]:
    """Also those whose number was removed meanwhile; not the test calls of browsers, which nobody
    rings.
    """
    ringing = Call.unscoped.filter(stage=Stage.RINGING, direction=Direction.INBOUND).exclude(
        room__startswith="vo-"
    )
    waiting = ringing.filter(ringing_at__lt=database_now() - INBOUND_WEBHOOK_GRACE).select_related(
        "agent_version"
    )
    return list(waiting.order_by("pk")[:MAX_RINGING_CALLS_PER_ROUND])


async def follow_ringing_call(livekit: LiveKit, db: OrmThread, call: Call) -> None:
    try:
        present = await list_participants(livekit, call.room)
        verdict = await db(advance_call, call, present)
        if verdict is not None:
            await delete_room(livekit, call.room)
    except ProviderError as error:
        logger.warning("Inbound call %s cannot be looked into: %s", call.pk, error)
        return
    now = await db(database_now)
    if verdict is not None:
        await db(call_states.mark_failed, call, verdict=verdict, at=now, source="sweep")


def advance_call(call: Call, present: list[Participant]) -> Verdict | None:
    """Why a call that still rings is over; None when it is not."""
    now = database_now()
    caller = next((participant for participant in present if participant.is_callee), None)
    if call.agent_version is None:
        return NUMBER_WITHOUT_AGENT
    if caller is None:
        return NO_AGENT_ANSWERED if was_agent_overdue(call, now) else CALLER_HUNG_UP
    if caller.call_status == "active":
        call_states.mark_answered(call, at=now, source="poll")
    elif (
        call.ringing_at is not None
        and now - call.ringing_at > AGENT_JOIN_TIMEOUT
        and len(present) == 1
    ):
        return NO_AGENT_ANSWERED
    elif len(present) == 1:
        dispatch_agent(call)
    return None


def was_agent_overdue(call: Call, now: datetime) -> bool:
    """The caller gave up, but after a time in which an agent should have been there."""
    left = InboxEvent.objects.about_room(call.room, "participant_left").first()
    until = left.received_at if left else now
    return (
        call.agent_joined_at is None
        and call.ringing_at is not None
        and until - call.ringing_at > AGENT_EXPECTED_WITHIN
    )
