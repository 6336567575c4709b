"""The voice agent the sandbox plays: joins, talks, reports what it saw, hangs up (api-contract.md 6
and 11).
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import orjson
from livekit.protocol import agent, models

from sandbox.agent.conversation import (
    Turn,
    analyse,
    message_for_machine,
    talk_with_human,
    talk_with_machine,
)
from sandbox.agent.reports import Reporter
from sandbox.clock import Clock
from sandbox.ids import new_livekit_id
from sandbox.livekit.calls import CALL_STATUS_ATTRIBUTE, MAX_CALL_SECONDS, Call, Calls
from sandbox.livekit.rooms import Participant, Room, Rooms
from sandbox.livekit.twirp import TwirpError

log = logging.getLogger(__name__)

JOIN_AFTER_SECONDS = 1.0  # simulated seconds from dispatch to room
DETECT_AFTER_SECONDS = 0.8  # simulated seconds from the answer to knowing who answered
GREETING_SECONDS, MESSAGE_SECONDS = 6.0, 8.0
MAX_ACKNOWLEDGEMENT_WAIT_SECONDS = (
    5.0  # wall clock: the control plane may want to know a machine before the agent acts
)
SHORT_TALK_SECONDS = 5.0  # in a talk this short everybody is cut off
MIN_TURNS = 4  # turns of a call that took its course
ENDLESS_TALK_SCRIPT_SECONDS = 40.0  # how long the turns take when nobody means to hang up


@dataclass(eq=False)
class AgentJob:
    """One agent in one room, from dispatch to `ended`."""

    job: agent.Job
    room: Room
    metadata: dict[str, Any]
    reporter: Reporter
    clock: Clock
    rooms: Rooms
    calls: Calls
    on_answer: Any  # (room, config) -> None: lets the recorder start
    turns: list[tuple[str, str]] = field(default_factory=list)

    @property
    def config(self) -> dict[str, Any]:
        config = self.metadata.get("agent")
        return config if isinstance(config, dict) else {}

    @property
    def variables(self) -> dict[str, Any]:
        variables = self.metadata.get("variables")
        return variables if isinstance(variables, dict) else {}

    async def run(self) -> None:
        await self.clock.sleep(JOIN_AFTER_SECONDS)
        identity = f"agent-{self.job.id}"
        info = models.ParticipantInfo(
            sid=new_livekit_id("PA_"),
            identity=identity,
            name=identity,
            kind=models.ParticipantInfo.Kind.AGENT,
            attributes={"lk.agent.name": self.job.agent_name},
        )
        if self.room.closed.done():
            self._set_job_status(agent.JS_FAILED, "room closed")
            return
        try:
            me = self.rooms.join(self.room, info)
        except TwirpError as error:
            self._set_job_status(agent.JS_FAILED, error.msg)
            return
        self.job.state.status, self.job.state.participant_identity = agent.JS_RUNNING, identity
        self.job.state.started_at = int(self.clock.now() * 1e9)
        self.reporter.add("agent_joined", flush=True)
        self.reporter.start_alive()
        sender = asyncio.get_running_loop().create_task(self.reporter.run())
        try:
            reason = await self._stay_in_room(me)
            self.reporter.add("ended", flush=True, reason=reason)
            if self.turns and (found := analyse(self.config, self.turns, self.variables)):
                self.reporter.add("analysis", flush=True, **found)
            self._leave(me)
        finally:
            self.reporter.close()
            self._set_job_status(agent.JS_SUCCESS, "")
            await sender

    def _set_job_status(self, status: agent.JobStatus, error: str) -> None:
        self.job.state.status, self.job.state.error = status, error
        self.job.state.ended_at = int(self.clock.now() * 1e9)

    def _leave(self, me: Participant) -> None:
        """Leave, and delete the room, so that nobody is left in silence (protocols.md, trap 13)."""
        if not me.gone.done():
            self.rooms.leave(self.room, me.identity, models.CLIENT_INITIATED)
        self.rooms.close(self.room, models.ROOM_END_API_DELETE, models.ROOM_DELETED)

    async def _stay_in_room(self, me: Participant) -> str:
        """The whole time in the room; the reason for its end."""
        callee = await self._wait_for_callee(me)
        if callee is None:
            return "room_closed" if self.room.closed.done() else "removed"
        self.reporter.add("callee_joined", flush=True)
        call = self.calls.active.get((self.room.name, callee.identity))
        if call is None:
            await wait_for_first(callee.gone, me.gone)
            return self._report_callee_left(None, callee)
        await self._report_ringing(call, me)
        await wait_for_first(call.answer, me.gone)
        if me.gone.done() and not call.participant.gone.done():
            return "removed"
        if not call.answer.done() or call.answer.result() is not None:
            await asyncio.wait({callee.gone})
            return self._report_callee_left(call, callee)
        self.reporter.add("callee_answered", flush=True)
        self.on_answer(self.room, self.config)
        reason = await (
            self._talk_to_machine(call) if call.callee.machine else self._talk_to_human(call)
        )
        return reason or self._report_callee_left(call, callee)

    async def _wait_for_callee(self, me: Participant) -> Participant | None:
        """The telephone's participant, as soon as there is one; None when the agent is out of the
        room first.
        """
        while not me.gone.done():
            for participant in self.room.participants.values():
                if participant.keeps_room_open:
                    return participant
            await self.room.changed.wait()
        return None

    async def _report_ringing(self, call: Call, me: Participant) -> None:
        """Say that the phone rings, which nobody else tells; until then, or the answer or the end,
        it waits.
        """
        over = (call.answer, me.gone)
        if call.row["direction"] == "inbound":  # that it rings is how it began
            return
        while not any(end.done() for end in over):
            if call.participant.info.attributes.get(CALL_STATUS_ATTRIBUTE) == "ringing":
                self.reporter.add("agent_alive", callee_status="ringing")
                self.reporter.flush_soon()
                return
            changed = asyncio.ensure_future(self.room.changed.wait())
            await wait_for_first(changed, *over)
            changed.cancel()

    def _report_callee_left(self, call: Call | None, callee: Participant) -> str:
        reason = models.DisconnectReason.Name(callee.gone.result()).lower()
        if (
            call is not None
            and call.row["answered_at"]
            and callee.gone.result() == models.CLIENT_INITIATED
        ):
            reason = "max_duration" if call.ended_by == "max_duration" else "callee_hangup"
        self.reporter.add("callee_left", flush=True, reason=reason)
        return reason

    async def _talk_to_human(self, call: Call) -> str | None:
        """Who ended it, or None when the callee is gone."""
        talk = call.callee.talk
        notices = min(DETECT_AFTER_SECONDS, (talk or DETECT_AFTER_SECONDS) * 0.02)
        await self._wait_until_after_answer(call, notices)
        self.reporter.add("detected", flush=True, kind="human")
        if await self._play_turns(
            call,
            talk_with_human(self.config, self.variables),
            lasting=talk or ENDLESS_TALK_SCRIPT_SECONDS,
        ):
            return None
        if call.callee.hangs_up == "agent" and talk is not None:
            return None if await self._wait_until_after_answer(call, talk) else "agent_hangup"
        longest = float(self.config.get("max_call_duration_seconds") or MAX_CALL_SECONDS)
        return None if await self._wait_until_after_answer(call, longest) else "max_duration"

    async def _talk_to_machine(self, call: Call) -> str | None:
        for turn in talk_with_machine(self.config, self.variables):
            self._add_turn(turn.role, turn.text, interrupted=turn.interrupted)
            await self._wait(call, DETECT_AFTER_SECONDS / 4)
        self.reporter.add("detected", flush=True, kind="machine")
        await self.reporter.wait_until_acknowledged(timeout=MAX_ACKNOWLEDGEMENT_WAIT_SECONDS)
        voicemail = self.config.get("voicemail") or {}
        action = str(voicemail.get("action") or "hang_up")
        if action == "continue":
            gone = await self._play_turns(
                call,
                talk_with_human(self.config, self.variables),
                lasting=call.callee.talk or ENDLESS_TALK_SCRIPT_SECONDS,
            )
            return None if gone or await self._wait(call, MAX_CALL_SECONDS) else "max_duration"
        if action == "leave_message":
            if await self._wait(call, GREETING_SECONDS):
                return None
            self._add_turn("agent", message_for_machine(self.config, self.variables))
            if await self._wait(call, MESSAGE_SECONDS):
                return None
        return None if call.participant.gone.done() else "agent_hangup"

    async def _play_turns(self, call: Call, turns: list[Turn], *, lasting: float) -> bool:
        """Play the turns at their times; True when the callee was gone before the last."""
        for spoken, turn in enumerate(turns):
            if await self._wait_until_after_answer(call, turn.share * lasting):
                if call.ended_by:  # the talk took its course, only timers came late
                    for rest in turns[spoken : max(MIN_TURNS, spoken)]:
                        self._add_turn(
                            rest.role, rest.text, interrupted=lasting < SHORT_TALK_SECONDS
                        )
                return True
            self._add_turn(turn.role, turn.text, interrupted=lasting < SHORT_TALK_SECONDS)
        return False

    def _add_turn(self, role: str, text: str, *, interrupted: bool = False) -> None:
        self.turns.append((role, text))
        self.reporter.add(
            "turn", role=role, text=text, started_at=self.clock.iso(), interrupted=interrupted
        )

    async def _wait_until_after_answer(self, call: Call, seconds: float) -> bool:
        """Wait until so long after the answer; True when the callee is gone before."""
        passed = (self.clock.now() - call.row["answered_at"]) * self.clock.speed
        return await self._wait(call, seconds - passed)

    async def _wait(self, call: Call, seconds: float) -> bool:
        done, _ = await asyncio.wait(
            {call.participant.gone}, timeout=self.clock.to_wall_seconds(max(seconds, 0.0))
        )
        return bool(done)


def read_metadata(text: str) -> dict[str, Any]:
    """The job's metadata, {} when it is not a JSON object: an agent of ours was dispatched by
    somebody else.
    """
    try:
        metadata = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return metadata if isinstance(metadata, dict) else {}


async def wait_for_first(*futures: "asyncio.Future[Any]") -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
