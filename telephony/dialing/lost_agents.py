"""Calls whose voice agent is gone while the callee is on the line: nobody is left in silence.

An agent is lost in one of two ways, and each is compared with who is in the room:

- It reports `agent_alive` every two seconds and has been silent for eight, while this installation
  hears other agents. When it hears none of them, the fault may be its own (a web process that was
  restarted), and for a while after that an agent may be waiting to repeat its report. Where no
  other agent could be heard, a report of our own shows instead whether reports arrive. Several
  agents that fall silent at once may only have lost their way to us: that is left to LiveKit.
- LiveKit reports that the agent has left, for whatever reason, or shows no agent in the room.

An agent that leaves because the call is over takes the callee with it: that call ends as ever. One
that never sends `agent_alive` is not missed for its silence.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Max, Q

from telephony.clients.livekit.rooms import Participant, list_participants
from telephony.clients.livekit.session import LiveKit
from telephony.clients.own_reports import do_reports_arrive
from telephony.dialing.polling import MAX_CONCURRENT_QUERIES, is_callee_participant
from telephony.dialing.room_deleter import delete_room_now
from telephony.domain import call_states
from telephony.domain.dial_verdicts import AGENT_LOST
from telephony.domain.timeline import TICK, raise_alarm
from telephony.models import Call, CallEvent, CallQuerySet, Direction, Stage
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError
from voiceops.core.isolation import gather_isolated
from voiceops.core.orm_thread import OrmThread

logger = logging.getLogger(__name__)

# Four reports that did not come. A call must be over twelve seconds after its agent died.
AGENT_SILENCE = timedelta(seconds=8)
# One report is late: time to find out why, if no other agent shows it.
LATE_REPORT = timedelta(seconds=2.5)
# For so long nothing from any agent means that we are deaf: the reports of two rounds are missing.
DEAFNESS = timedelta(seconds=4)
# An agent repeats its report after fifteen seconds at most, and may have begun to wait just before
# we could hear again.
HEARING_RECOVERY = timedelta(seconds=20)
# An agent that ends the call may leave a moment before the callee's leg is closed.
AGENT_LEFT_GRACE = timedelta(seconds=2)
# A transfer rings for 30 s at most, and the agent may leave before it is answered.
TRANSFER_TIME = timedelta(seconds=40)
ROOM_CHECK_INTERVAL_SECONDS = 3.0  # per call, while only LiveKit can say who is there
LOST_AGENT_CHUNK_CALLS = 200

FOLLOWED_STAGES = (Stage.IN_PROGRESS, Stage.INTENT, Stage.DIALING, Stage.RINGING)


@dataclass
class Hearing:
    """Whether this installation hears its agents, as one process has observed it."""

    checked_at: datetime | None = None
    deaf_at: datetime | None = None

    def observe(self, now: datetime, *, agents: int, heard_at: datetime | None) -> None:
        """Record one observation: how many agents report on open calls, and when the last did.

        Without any agent nothing can be heard, and that is no deafness. After a start, or a gap in
        the observations, nothing is known about what agents could have reported.
        """
        is_first = self.checked_at is None or now - self.checked_at > DEAFNESS
        hears_none = heard_at is None or now - heard_at > DEAFNESS
        if agents and (is_first or hears_none):
            self.deaf_at = now
        self.checked_at = now

    def is_good(self, now: datetime) -> bool:
        """Return whether an agent's silence is its own."""
        return self.deaf_at is None or now - self.deaf_at >= HEARING_RECOVERY


@dataclass
class AgentWatch:
    """Finds lost agents, round by round. Any number of processes may watch at once."""

    hearing: Hearing = field(default_factory=Hearing)
    checked: dict[UUID, float] = field(default_factory=dict)  # at LiveKit; monotonic

    def find_suspects(self) -> list[Call]:
        """Observe what is heard; returns the calls about which LiveKit is to be asked now.

        Raises OperationalError or InterfaceError when the database is unreachable.
        """
        now = database_now()
        agents, heard_at = hear_agents()
        if agents == 1 and heard_at is not None and now - heard_at > LATE_REPORT:
            heard_at = now if can_hear_only_agent() else heard_at
        self.hearing.observe(now, agents=agents, heard_at=heard_at)
        suspects = list_suspects(now)
        self.checked = {call.pk: at for call in suspects if (at := self.checked.get(call.pk))}
        return [call for call in suspects if self._is_due(call, now)]

    async def follow_suspects(
        self, livekit: LiveKit, db: OrmThread, suspects: Sequence[Call]
    ) -> None:
        """End those of the calls whose agent is lost."""
        now = await db(database_now)
        places = asyncio.Semaphore(MAX_CONCURRENT_QUERIES)
        await gather_isolated(self._follow(livekit, db, call, now, places) for call in suspects)

    def _is_due(self, call: Call, now: datetime) -> bool:
        """Return whether to ask LiveKit about the call now: at most every few seconds."""
        if self._is_missed(call, now):
            return True
        return time.monotonic() - self.checked.get(call.pk, 0.0) >= ROOM_CHECK_INTERVAL_SECONDS

    def _is_missed(self, call: Call, now: datetime) -> bool:
        """Return whether the agent's silence proves that it is lost."""
        return is_silent(call, now) and self.hearing.is_good(now)

    async def _follow(
        self,
        livekit: LiveKit,
        db: OrmThread,
        call: Call,
        now: datetime,
        places: asyncio.Semaphore,
    ) -> None:
        self.checked[call.pk] = time.monotonic()
        try:
            async with places:
                present = await list_participants(livekit, call.room)
            callee = next((one for one in present if is_callee_participant(call, one)), None)
            if callee is None:
                return
            if has_company(present) and not self._is_missed(call, now):
                await db(forget_departure, call)
            elif not await db(is_being_transferred, call, now):
                await end_call_without_agent(livekit, db, call, callee)
        except ProviderError as error:
            logger.warning("The agent of call %s may be lost: %s", call.pk, error)


def hear_agents() -> tuple[int, datetime | None]:
    """Return how many agents report on open calls, and when the last of them was heard."""
    found = _reporting_calls().aggregate(agents=Count("pk"), heard_at=Max("agent_heard_at"))
    return found["agents"], found["heard_at"]


def can_hear_only_agent() -> bool:
    """Return whether the reports of the one agent that is up would arrive, if it sent them.

    Only asked of an agent that has reported for a while: one that reported once may never again.
    """
    call = _reporting_calls().first()
    if call is None or call.agent_heard_at is None or call.agent_joined_at is None:
        return False
    is_regular = call.agent_heard_at - call.agent_joined_at > LATE_REPORT
    return is_regular and do_reports_arrive(call.pk)


def _reporting_calls() -> CallQuerySet:
    return Call.unscoped.open().filter(agent_heard_at__isnull=False)


def list_suspects(now: datetime) -> list[Call]:
    """Return the open calls whose agent may be lost, those silent for longest first."""
    silent = Q(agent_heard_at__lt=now - AGENT_SILENCE)
    left = Q(agent_left_at__lt=now - AGENT_LEFT_GRACE)
    # An inbound call that still rings gets another agent (`telephony/services/inbound.py`).
    dialled = Q(direction=Direction.OUTBOUND) | Q(stage=Stage.IN_PROGRESS)
    followed = Call.unscoped.filter(silent | left, dialled, stage__in=FOLLOWED_STAGES)
    in_order = followed.select_related("agent_version").order_by("agent_heard_at", "pk")
    return list(in_order[:LOST_AGENT_CHUNK_CALLS])


def is_silent(call: Call, now: datetime) -> bool:
    """Return whether an agent that reports regularly has not been heard for too long."""
    return call.agent_heard_at is not None and now - call.agent_heard_at > AGENT_SILENCE


def has_company(present: Sequence[Participant]) -> bool:
    """Return whether anybody is with the callee: the agent, or whom it has connected them to."""
    return sum(not one.is_egress for one in present) > 1


def forget_departure(call: Call) -> None:
    """Record that the agent is in the room after all: it came back, or another one came."""
    if call.agent_left_at is not None:
        rows = Call.unscoped.filter(pk=call.pk, agent_left_at=call.agent_left_at)
        rows.update(agent_left_at=None)


def is_being_transferred(call: Call, now: datetime) -> bool:
    """Return whether a transfer may still be under way, during which the agent may leave."""
    since = now - TRANSFER_TIME
    recent = CallEvent.unscoped.filter(call=call, at__gte=since).order_by("at", "pk")
    events = recent.filter(type__in=("transfer", "transfer_failed", "tool_call"))
    tools = call.agent_version.config.get("tools", []) if call.agent_version else []
    transfer_tools = {tool["name"] for tool in tools if tool.get("type") == "transfer_call"}
    is_under_way = False
    for event in events:
        if event.type != "tool_call":
            is_under_way = event.type == "transfer"
        elif event.data.get("name") in transfer_tools:
            is_under_way = True
    return is_under_way


async def end_call_without_agent(
    livekit: LiveKit, db: OrmThread, call: Call, callee: Participant
) -> None:
    """End the call in our rows and then at LiveKit. Raises ProviderError.

    The row comes first, because LiveKit reports the deletion as the callee's departure. If this
    process dies in between, the room is due for deletion all the same.
    """
    if await db(record_lost_agent, call, is_answered=callee.call_status == "active"):
        await delete_room_now(livekit, db, call)


def record_lost_agent(call: Call, *, is_answered: bool) -> bool:
    """End the call as `agent_lost`; False when it has ended otherwise meanwhile.

    Before the answer the attempt is not counted, unless the leg shows that somebody has picked up.
    """
    now = database_now()
    if is_answered:
        call_states.mark_answered(call, at=now, source="poll")
    reason = AGENT_LOST.reason
    if call.answered_at is not None:
        ended = call_states.mark_hung_up(call, at=now, reason=reason, source="poll")
        text = "The voice agent was lost while the callee was on the line"
    else:
        ended = call_states.mark_failed(
            call, verdict=AGENT_LOST, at=now, since=FOLLOWED_STAGES[1:], source="poll"
        )
        text = "The voice agent was lost before the callee answered"
    if ended:
        at = (call.ended_at or now) - TICK
        raise_alarm(call, at=at, text=text, source="poll")
    return ended
