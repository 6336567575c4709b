"""One job of the voice agent the sandbox plays: it joins, talks, reports and hangs up
(docs/reference/api-contract.md §6, §11).
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from livekit.protocol import agent, models

from sandbox.agent.conversation import (
    Turn,
    analyse,
    message_for_machine,
    talk_with_human,
    talk_with_machine,
)
from sandbox.agent.reports import Reporter
from sandbox.agent.usage import usage_items
from sandbox.clock import Clock
from sandbox.ids import new_livekit_id
from sandbox.livekit.calls import (
    CALL_STATUS_ATTRIBUTE,
    LOST_PARTICIPANT_SECONDS,
    MAX_CALL_SECONDS,
    Call,
    Calls,
)
from sandbox.livekit.room_facts import agent_attributes
from sandbox.livekit.rooms import Participant, Room, Rooms
from sandbox.livekit.twirp import TwirpError

log = logging.getLogger(__name__)

# Simulated seconds.
JOIN_AFTER_SECONDS = 1.0  # from the dispatch
DETECT_AFTER_SECONDS = 0.8  # from the answer, until it is known who answered
GREETING_SECONDS = 6.0
MESSAGE_SECONDS = 8.0
SHORT_TALK_SECONDS = 5.0  # in shorter talks every turn is interrupted
ENDLESS_TALK_SCRIPT_SECONDS = 40.0  # the turns of a talk that only a maximum duration ends
# Wall clock: VoiceOps may want to know of a machine before the agent acts.
MAX_ACKNOWLEDGEMENT_WAIT_SECONDS = 5.0
JOB_ENDS_AFTER_SECONDS = 10.0  # after the agent has left
MIN_TURNS = 4  # in a call that was not cut off


class Fate(Enum):
    """What ends an agent's job from outside."""

    DIES = "its process is killed"
    DISCONNECTED = "LiveKit's server has died"
    DISMISSED = "VoiceOps says that the call has ended"


@dataclass(eq=False)
class AgentJob:
    """One agent in one room, from the dispatch to `ended`.

    `on_answer(room, config)` lets the recorder start. `turns` are the roles and texts spoken, and
    `join_lag` the simulated seconds by which a busy worker joins late.
    """

    job: agent.Job
    room: Room
    metadata: dict[str, Any]
    reporter: Reporter
    clock: Clock
    rooms: Rooms
    calls: Calls
    on_answer: Callable[[Room, dict[str, Any]], None]
    join_lag: float = 0.0
    turns: list[tuple[str, str]] = field(default_factory=list)
    fate: "asyncio.Future[Fate]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    # Whether it has seen the callee, and reported that they left.
    _has_callee: bool = False
    _callee_left: bool = False

    @property
    def config(self) -> dict[str, Any]:
        config = self.metadata.get("agent")
        return config if isinstance(config, dict) else {}

    @property
    def variables(self) -> dict[str, Any]:
        variables = self.metadata.get("variables")
        return variables if isinstance(variables, dict) else {}

    def befall(self, fate: Fate) -> None:
        """End the job. Only the first fate counts."""
        if not self.fate.done():
            self.fate.set_result(fate)

    async def run(self) -> None:
        """Do the job, and return when its last report is acknowledged or given up."""
        await self.clock.sleep(JOIN_AFTER_SECONDS + self.join_lag)
        participant = None if self.fate.done() else self._join()
        if participant is None:
            return

        self.rooms.publish(self.room, participant)
        self.reporter.add("agent_joined", flush=True)
        self.reporter.start_alive()
        # Reports are sent beside the conversation, so that a slow web server does not delay it.
        loop = asyncio.get_running_loop()
        sender = loop.create_task(self.reporter.run())
        talk = loop.create_task(self._work(participant))
        dismissal = loop.create_task(self._wait_for_dismissal())
        try:
            await wait_for_first(talk, self.fate)
            if not talk.done():
                self._meet_fate(participant)
        finally:
            for task in (talk, dismissal):
                task.cancel()
            self.reporter.close()
            self._set_job_status(agent.JS_SUCCESS, "")
            await self._wait_for_last_report(sender)

    async def _work(self, participant: Participant) -> None:
        reason = await self._stay_in_room(participant)
        self._report_usage()
        self.reporter.add("ended", flush=True, reason=reason)
        self._report_analysis()
        self._leave(participant)

    def _report_usage(self) -> None:
        if self.turns and (items := usage_items(self.config, self.turns)):
            # Reported twice it is the same: it counts the whole call.
            self.reporter.add("usage", flush=True, items=items)

    def _report_analysis(self) -> None:
        if self.turns and (analysis := analyse(self.config, self.turns, self.variables)):
            self.reporter.add("analysis", flush=True, **analysis)

    async def _wait_for_dismissal(self) -> None:
        await self.reporter.call_over.wait()
        self.befall(Fate.DISMISSED)

    def _meet_fate(self, participant: Participant) -> None:
        fate = self.fate.result()
        if fate is Fate.DIES:
            # Without a word; LiveKit notices after a while.
            self.reporter.die()
            asyncio.get_running_loop().call_later(
                self.clock.to_wall_seconds(LOST_PARTICIPANT_SECONDS),
                self.rooms.time_out,
                self.room,
                participant,
            )
        elif fate is Fate.DISMISSED:
            self._report_usage()
            self._report_analysis()
            self._leave(participant)
        else:
            # The room fell apart around the agent, which knows no reason.
            if self._has_callee and not self._callee_left:
                self.reporter.add("callee_left", reason="")
            self._report_usage()
            self.reporter.add("ended", flush=True, reason="")

    async def _wait_for_last_report(self, sender: "asyncio.Task[None]") -> None:
        """Wait until the last report is sent; livekit-agents ends a job, retries and all, when its
        room has been closed for a while.
        """
        try:
            async with asyncio.timeout(JOB_ENDS_AFTER_SECONDS):
                await sender
        except TimeoutError:
            log.warning("the job %s ended before its last report", self.job.id)

    def _join(self) -> Participant | None:
        """Join the room. Returns None, with the job failed, when that is impossible."""
        identity = f"agent-{self.job.id}"
        info = models.ParticipantInfo(
            sid=new_livekit_id("PA_"),
            identity=identity,
            name=identity,
            kind=models.ParticipantInfo.Kind.AGENT,
            attributes=agent_attributes(self.job.agent_name),
        )
        if self.room.closed.done():
            self._set_job_status(agent.JS_FAILED, "room closed")
            return None
        try:
            participant = self.rooms.join(self.room, info)
        except TwirpError as error:
            self._set_job_status(agent.JS_FAILED, error.msg)
            return None
        self.job.state.status = agent.JS_RUNNING
        self.job.state.participant_identity = identity
        self.job.state.started_at = int(self.clock.now() * 1e9)
        return participant

    def _set_job_status(self, status: agent.JobStatus, error: str) -> None:
        self.job.state.status = status
        self.job.state.error = error
        self.job.state.ended_at = int(self.clock.now() * 1e9)

    def _leave(self, participant: Participant) -> None:
        """Leave and delete the room, so that the callee does not stay in silence
        (docs/reference/protocols.md §9.13).
        """
        if not participant.left.done():
            self.rooms.leave(self.room, participant.identity, models.CLIENT_INITIATED)
        if not self.room.closed.done():
            self.rooms.delete(self.room.name)

    async def _stay_in_room(self, participant: Participant) -> str:
        """Stay until the call is over. Returns the reason for the end."""
        callee = await self._wait_for_callee(participant)
        if callee is None:
            return "room_closed" if self.room.closed.done() else "removed"
        self._has_callee = True
        self.reporter.add("callee_joined", flush=True)
        call = self.calls.active.get((self.room.name, callee.identity))
        if call is None:
            # A participant without a call is a browser's, for example.
            await wait_for_first(callee.left, participant.left)
            return self._report_callee_left(None, callee)

        await self._report_ringing(call, participant)
        await wait_for_first(call.answer, participant.left)
        # The agent alone was removed: for example by DeleteDispatch or RemoveParticipant.
        if participant.left.done() and not call.participant.left.done():
            return "removed"
        if not call.answer.done() or call.answer.result() is not None:
            await asyncio.wait({callee.left})
            return self._report_callee_left(None, callee)
        return await self._attend(call, callee)

    async def _attend(self, call: Call, callee: Participant) -> str:
        """Talk with a callee who has answered. Returns the reason for the end."""
        if (dies_after := call.callee.agent_dies) is not None:
            asyncio.get_running_loop().call_later(
                self.clock.to_wall_seconds(dies_after), self.befall, Fate.DIES
            )
        self.reporter.cut_off(call.callee.agent_unreachable)
        if await self._wait(call, call.callee.agent_lag):
            # Too late: for this agent the phone went from ringing to hung up.
            return self._report_callee_left(None, callee)
        self.reporter.add("callee_answered", flush=True)
        self.on_answer(self.room, self.config)
        talk = self._talk_to_machine if call.callee.machine else self._talk_to_human
        return await talk(call) or self._report_callee_left(call, callee)

    async def _wait_for_callee(self, participant: Participant) -> Participant | None:
        """Return the callee's participant as soon as there is one, or None when the agent is out of
        the room first.
        """
        while not participant.left.done():
            for other in self.room.participants.values():
                if other.keeps_room_open:
                    return other
            await self.room.changed.wait()
        return None

    async def _report_ringing(self, call: Call, participant: Participant) -> None:
        """Wait until the phone rings and report it, or until the call is answered or over.

        Only the agent can report it, because LiveKit sends no event.
        """
        if call.row["direction"] == "inbound":  # it has been ringing from the start
            return
        ends = (call.answer, participant.left)
        while not any(end.done() for end in ends):
            if call.participant.info.attributes.get(CALL_STATUS_ATTRIBUTE) == "ringing":
                if await self._wait(call, call.callee.agent_lag) or call.answer.done():
                    return
                self.reporter.add("agent_alive", callee_status="ringing")
                self.reporter.flush_soon()
                return
            changed = asyncio.ensure_future(self.room.changed.wait())
            await wait_for_first(changed, *ends)
            changed.cancel()

    def _report_callee_left(self, answered: Call | None, callee: Participant) -> str:
        """Report that the callee left, of `answered` if the agent saw that they answered. Returns
        the reason.

        A maximum duration that LiveKit times looks to the agent like the callee's hang-up.
        """
        left_reason = callee.left.result()
        reason = models.DisconnectReason.Name(left_reason).lower()
        if answered is not None and left_reason == models.CLIENT_INITIATED:
            reason = "callee_hangup"
        self._callee_left = True
        self.reporter.add("callee_left", flush=True, reason=reason)
        return reason

    async def _talk_to_human(self, call: Call) -> str | None:
        """Talk until the end. Returns why the agent ended the call, or None when the callee did."""
        # In very short talks the report must still come before the callee hangs up.
        talk = call.callee.talk
        detect_after = min(DETECT_AFTER_SECONDS, (talk or DETECT_AFTER_SECONDS) * 0.02)
        await self._wait_until_after_answer(call, detect_after)
        self.reporter.add("detected", flush=True, kind="human")

        turns = talk_with_human(self.config, self.variables)
        if await self._play_turns(call, turns, lasting=talk or ENDLESS_TALK_SCRIPT_SECONDS):
            return None
        if call.callee.hangs_up == "agent" and talk is not None:
            return None if await self._wait_until_after_answer(call, talk) else "agent_hangup"
        longest = float(self.config.get("max_call_duration_seconds") or MAX_CALL_SECONDS)
        return None if await self._wait_until_after_answer(call, longest) else "max_duration"

    async def _talk_to_machine(self, call: Call) -> str | None:
        """Do what the agent's `voicemail` says. Returns as `_talk_to_human` does."""
        for turn in talk_with_machine(self.config, self.variables):
            self._add_turn(turn.role, turn.text, interrupted=turn.interrupted)
            await self._wait(call, DETECT_AFTER_SECONDS / 4)
        self.reporter.add("detected", flush=True, kind="machine")
        await self.reporter.wait_until_acknowledged(timeout=MAX_ACKNOWLEDGEMENT_WAIT_SECONDS)

        voicemail = self.config.get("voicemail") or {}
        action = str(voicemail.get("action") or "hang_up")
        if action == "continue":
            turns = talk_with_human(self.config, self.variables)
            lasting = call.callee.talk or ENDLESS_TALK_SCRIPT_SECONDS
            has_left = await self._play_turns(call, turns, lasting=lasting)
            return None if has_left or await self._wait(call, MAX_CALL_SECONDS) else "max_duration"
        if action == "leave_message":
            if await self._wait(call, GREETING_SECONDS):
                return None
            self._add_turn("agent", message_for_machine(self.config, self.variables))
            if await self._wait(call, MESSAGE_SECONDS):
                return None
        return None if call.participant.left.done() else "agent_hangup"

    async def _play_turns(self, call: Call, turns: list[Turn], *, lasting: float) -> bool:
        """Play the turns at their times. Returns True when the callee left before the last one."""
        is_short = lasting < SHORT_TALK_SECONDS
        for played, turn in enumerate(turns):
            if await self._wait_until_after_answer(call, turn.share * lasting):
                if call.ended_by:
                    # The call was not cut off; at high speed only the timers were late. Its
                    # transcript has at least MIN_TURNS turns all the same.
                    for missing in turns[played : max(MIN_TURNS, played)]:
                        self._add_turn(missing.role, missing.text, interrupted=is_short)
                return True
            self._add_turn(turn.role, turn.text, interrupted=is_short)
        return False

    def _add_turn(self, role: str, text: str, *, interrupted: bool = False) -> None:
        self.turns.append((role, text))
        self.reporter.add(
            "turn", role=role, text=text, started_at=self.clock.iso(), interrupted=interrupted
        )

    async def _wait_until_after_answer(self, call: Call, seconds: float) -> bool:
        """Wait until simulated seconds after the answer. Returns True when the callee leaves
        before.
        """
        passed = (self.clock.now() - call.row["answered_at"]) * self.clock.speed
        return await self._wait(call, seconds - passed)

    async def _wait(self, call: Call, seconds: float) -> bool:
        """Wait for simulated seconds. Returns True at once when the callee leaves."""
        timeout = self.clock.to_wall_seconds(max(seconds, 0.0))
        done, _ = await asyncio.wait({call.participant.left}, timeout=timeout)
        return bool(done)


async def wait_for_first(*futures: "asyncio.Future[Any]") -> None:
    """Wait until one of the futures is done."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
