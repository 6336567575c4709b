"""Inbound calls. LiveKit's dispatch rule opens a room, and its webhook reports the call.

The agent is dispatched from here and not by the rule, so that it gets what every agent gets: the
newest published version, and a report token of this call. The caller hears it ring meanwhile.
Where the webhook is lost, `follow_inbound_calls` finds the room.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q

from agents.models import Agent
from agents.services import find_published_version
from telephony.clients.livekit import calls as livekit_calls
from telephony.clients.livekit.rooms import Participant, list_participants, list_rooms
from telephony.clients.livekit.session import LiveKit, run_in_session
from telephony.dialing.room_deleter import delete_room_now
from telephony.domain import call_states, room_names, timeline
from telephony.domain.agent_metadata import metadata_of
from telephony.domain.caller_numbers import normalize_caller
from telephony.domain.dial_verdicts import Blame, Verdict
from telephony.domain.latest_ends import INBOUND_RINGING_LIMIT
from telephony.models import Call, Direction, InboxEvent, Outcome, PhoneNumber, Stage
from voiceops.core.clock import database_now
from voiceops.core.crypto import DecryptError
from voiceops.core.errors import ProviderError
from voiceops.core.ids import uuid7
from voiceops.core.isolation import gather_isolated
from voiceops.core.orm_thread import OrmThread

logger = logging.getLogger(__name__)

AGENT_JOIN_TIMEOUT = timedelta(seconds=10)  # after this an agent that has not joined is missing
AGENT_EXPECTED_WITHIN = timedelta(seconds=5)  # a caller who waited longer waited for the agent
# Webhooks and reports of a call that began a moment ago may still be on their way.
INBOUND_WEBHOOK_GRACE = timedelta(seconds=3)
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
RANG_TOO_LONG = Verdict(
    Outcome.UNKNOWN, "in_doubt", Blame.DOUBT, "Nobody can prove how the call ended"
)


def open_call(
    room: str, *, attributes: Mapping[str, Any] | None = None, at: datetime
) -> Call | None:
    """Return the call of an inbound room, created when this is the first event of the room.

    `attributes` are those of the caller's participant, where it is known. Returns None for other
    rooms, and for numbers that do not exist any more.
    """
    number = _find_called_number(room)
    if number is None:
        return None
    agent = _answering_agent(number)
    # Webhooks and the sweep may find the room at the same time: one of them creates the call.
    with transaction.atomic():
        call, created = Call.unscoped.get_or_create(
            room=room,
            defaults={
                "pk": uuid7(),
                "workspace_id": number.workspace_id,
                "direction": Direction.INBOUND,
                "stage": Stage.RINGING,
                "agent": agent,
                "agent_version": find_published_version(agent) if agent else None,
                "number": number,
                "from_number": caller_number(room, attributes or {}, called=number.phone_number),
                "to_number": number.phone_number,
            },
        )
        if created:
            _start_ringing(call, max(at, call.created_at))
    return call


def _find_called_number(room: str) -> PhoneNumber | None:
    number_id = room_names.number_of(room)
    if number_id is None:
        return None
    numbers = PhoneNumber.unscoped.select_related("inbound_agent")
    return numbers.filter(pk=number_id).first()


def _answering_agent(number: PhoneNumber) -> Agent | None:
    agent = number.inbound_agent
    # An agent can be deleted at the same moment as it is assigned to the number.
    if agent is None or agent.deleted_at is not None:
        return None
    return agent


def _start_ringing(call: Call, at: datetime) -> None:
    call.dialed_at = at
    call.ringing_at = at
    call.heard_at = at
    call.save(update_fields=["dialed_at", "ringing_at", "heard_at"])
    text = f"{call.from_number} is calling {call.to_number}"
    timeline.add_event(call, type="ringing", text=text, at=at)
    # After the commit, because the agent's first report needs the row.
    transaction.on_commit(partial(dispatch_agent, call))


def caller_number(room: str, attributes: Mapping[str, Any], *, called: str) -> str:
    """Return who calls `called` (E.164), by the SIP participant or else by the room's name.

    Returns `anonymous` when the caller withholds the number.
    """
    number_in_room = room.partition("_")[2].rpartition("_")[0]
    number = str(attributes.get("sip.phoneNumber") or number_in_room)
    return normalize_caller(number, called=called)


def dispatch_agent(call: Call) -> None:
    """Dispatch the agent to the caller's room, unless it joined or another process does so.

    When LiveKit cannot be asked, `follow_inbound_calls` tries again.
    """
    version = call.agent_version
    lease_expires_at = _lease_dispatch(call) if version else None
    if version is None or lease_expires_at is None:
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
        logger.warning("No agent could be dispatched to inbound call %s: %s", call.pk, error)
        # Give the lease back, so that the next round does not wait for it to expire.
        own_lease = Call.unscoped.filter(pk=call.pk, lease_expires_at=lease_expires_at)
        own_lease.update(lease_expires_at=None)


def _lease_dispatch(call: Call) -> datetime | None:
    """Lease the dispatch of the agent; returns when the lease expires, None without one.

    The lease lets one process dispatch the agent, and expires when that process dies.
    """
    now = database_now()
    lease_expires_at = now + AGENT_JOIN_TIMEOUT
    available = Call.unscoped.filter(
        Q(lease_expires_at=None) | Q(lease_expires_at__lt=now),
        pk=call.pk,
        stage=Stage.RINGING,
        agent_joined_at=None,
    )
    return lease_expires_at if available.update(lease_expires_at=lease_expires_at) else None


async def follow_inbound_calls(livekit: LiveKit, db: OrmThread) -> int:
    """Find rooms whose webhooks were lost, and advance calls that ring for long.

    Returns how many ringing calls were checked.
    """
    # LiveKit lists the rooms of the whole project, so it is asked only when calls can arrive.
    if await db(numbers_accept_calls):
        try:
            rooms = await list_rooms(livekit)
        except ProviderError as error:
            # Those that ring have a latest end by our own clock all the same.
            logger.warning("Inbound rooms cannot be listed: %s", error)
            rooms = []
        await db(open_unknown_rooms, [room for room in rooms if room_names.number_of(room)])
    calls = await db(list_ringing_calls)
    await gather_isolated(follow_ringing_call(livekit, db, call) for call in calls)
    return len(calls)


def numbers_accept_calls() -> bool:
    """Return whether any number has an agent for inbound calls."""
    return PhoneNumber.unscoped.exclude(inbound_agent=None).exists()


def open_unknown_rooms(rooms: Sequence[str]) -> None:
    """Create the calls of inbound rooms that have none yet."""
    known = set(Call.unscoped.filter(room__in=rooms).values_list("room", flat=True))
    for room in set(rooms) - known:
        open_call(room, at=database_now())


def list_ringing_calls() -> list[Call]:
    """Return inbound calls that ring for long, also those whose number was removed meanwhile.

    Web calls do not ring and are followed in `web_calls`.
    """
    ringing = Call.unscoped.filter(
        stage=Stage.RINGING,
        direction=Direction.INBOUND,
        ringing_at__lt=database_now() - INBOUND_WEBHOOK_GRACE,
    )
    telephone = ringing.exclude(room__startswith="vo-").select_related("agent_version")
    return list(telephone.order_by("pk")[:MAX_RINGING_CALLS_PER_ROUND])


async def follow_ringing_call(livekit: LiveKit, db: OrmThread, call: Call) -> None:
    """Ask LiveKit who is in the room of a call that rings for long, and act on the answer."""
    try:
        present = await list_participants(livekit, call.room)
        verdict = await db(advance_call, call, present)
        if verdict is not None:
            await delete_room_now(livekit, db, call)
    except ProviderError as error:
        logger.warning("Inbound call %s cannot be checked at LiveKit: %s", call.pk, error)
        verdict = await db(verdict_by_the_clock, call)
    now = await db(database_now)
    if verdict is not None:
        await db(call_states.mark_failed, call, verdict=verdict, at=now, source="sweep")


def advance_call(call: Call, present: Sequence[Participant]) -> Verdict | None:
    """Answer, dispatch or leave a ringing call, by who is in its room.

    Returns the verdict with which the call has to end; None while it goes on.
    """
    now = database_now()
    if call.agent_version is None:
        return NUMBER_WITHOUT_AGENT
    caller = next((participant for participant in present if participant.is_callee), None)
    if caller is None:
        return NO_AGENT_ANSWERED if was_agent_overdue(call, now) else CALLER_HUNG_UP
    if caller.call_status == "active":
        call_states.mark_answered(call, at=now, source="poll")
        return None

    is_alone = len(present) == 1
    if not is_alone:
        return verdict_by_the_clock(call)
    if call.ringing_at is not None and now - call.ringing_at > AGENT_JOIN_TIMEOUT:
        return NO_AGENT_ANSWERED
    dispatch_agent(call)
    return None


def verdict_by_the_clock(call: Call) -> Verdict | None:
    """Return the verdict on a call that rings longer than any can; None while it may still ring.

    LiveKit shows the participants of a host that died for as long as it runs.
    """
    if call.ringing_at is None or database_now() - call.ringing_at <= INBOUND_RINGING_LIMIT:
        return None
    return RANG_TOO_LONG


def was_agent_overdue(call: Call, now: datetime) -> bool:
    """Return whether the caller left only after the agent should have been there."""
    if call.agent_joined_at is not None or call.ringing_at is None:
        return False
    left = InboxEvent.objects.about_room(call.room, "participant_left").first()
    left_at = left.received_at if left else now
    return left_at - call.ringing_at > AGENT_EXPECTED_WITHIN
