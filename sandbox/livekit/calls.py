"""Phone calls, from the INVITE to the end (docs/reference/protocols.md §2.1).

The participant joins the room before the INVITE is sent, and the dial is stored before that. A call
belongs to the SIP service: it goes on when the server dies, and its leg joins again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from livekit.protocol import models

from sandbox.clock import Clock
from sandbox.ids import random_name
from sandbox.livekit.rooms import Participant, Room, Rooms
from sandbox.livekit.sip_errors import (
    HUNG_UP_WHILE_RINGING,
    INVITE_UNANSWERED,
    RINGING_TIMED_OUT,
    Refusal,
    sip_refusal,
)
from sandbox.phones.callee import Callee
from sandbox.store import Row, Store

# All of them are simulated seconds.
MAX_CALL_SECONDS = 24 * 3600.0  # LiveKit's limit
DEFAULT_RINGING_TIMEOUT_SECONDS = 180.0  # LiveKit's default
CALLEE_WAITS_IN_SILENCE_SECONDS = 20.0  # for an agent that should hang up and does not
PICK_UP_POLL_SECONDS = 0.5
DTMF_DIGIT_SECONDS = 0.25
DTMF_PAUSE_SECONDS = 0.5
TIMER_B_SECONDS = 32.1  # without any response to the INVITE
LOST_PARTICIPANT_SECONDS = 21.0  # until the server takes out one whose process died
CALLS_TABLE = "calls"
# What a ringing caller gets when the room is deleted or the agent turns them away.
CALLER_REJECTED = sip_refusal(486, "Rejected")
CALL_STATUS_ATTRIBUTE = "sip.callStatus"


@dataclass(frozen=True)
class Dial:
    """The parameters of one call, with defaults filled in. Durations are simulated seconds."""

    call_id: str
    number: str
    caller_id: str
    trunk_id: str
    ringing_timeout: float
    max_duration: float
    dtmf: str = ""


@dataclass(eq=False)
class Call:
    """An active call. `answer` is set to None when the callee answers, or else to a Refusal.

    `ended_by` is "callee", "max_duration" or "transfer", and empty when the participant was removed
    from the room.
    """

    dial: Dial
    room: Room
    participant: Participant
    callee: Callee
    row: Row
    answer: "asyncio.Future[Refusal | None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    ended_by: str = ""
    # Those the leg joined with, and joins with again.
    joined_with: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.joined_with = dict(self.participant.info.attributes)

    @property
    def key(self) -> tuple[str, str]:
        return (self.room.name, self.participant.identity)


@dataclass
class Calls:
    """The active calls by room and identity, and the log of all calls in the store."""

    clock: Clock
    rooms: Rooms
    store: Store
    active: dict[tuple[str, str], Call] = field(default_factory=dict)
    on_answered: list[Callable[[Call], None]] = field(default_factory=list)
    on_ended: list[Callable[[Call], None]] = field(default_factory=list)
    # Of the active calls, and of those that end with the SIP service.
    _tasks: dict[asyncio.Task[None], Call] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._dial_counts = Counter(row["number"] for row in self.dials())
        for row in list(self.store.table(CALLS_TABLE).values()):
            if row["status"] != "ended":
                # The call was active when the sandbox died, and died with it.
                ended = {**row, "status": "ended", "ended_at": self.clock.now()}
                self.store.put(CALLS_TABLE, row["call_id"], ended)

    def count_dials(self, number: str) -> int:
        """Return the number of INVITEs sent to a number since the log was cleared."""
        return self._dial_counts[number]

    def dials(self) -> Iterable[Row]:
        """Return the outbound calls, oldest first."""
        return (row for row in self.rows() if row["direction"] == "outbound")

    def rows(self) -> Iterable[Row]:
        """Return all calls, oldest first."""
        return self.store.table(CALLS_TABLE).values()

    def clear_dials(self) -> None:
        self.store.clear(CALLS_TABLE)
        self._dial_counts.clear()

    def start(
        self,
        dial: Dial,
        *,
        room: Room,
        participant: Participant,
        callee: Callee,
        direction: str = "outbound",
    ) -> Call:
        """Store the call, send its INVITE (or accept it, when inbound) and run it in a task."""
        row = {
            "at": self.clock.now(),
            "number": dial.number,
            "room": room.name,
            "identity": participant.identity,
            "caller_id": dial.caller_id,
            "trunk_id": dial.trunk_id,
            "call_id": dial.call_id,
            "direction": direction,
            "dtmf": dial.dtmf,
            "provisional": None,
            "status": "dialing",
            "sip_status_code": None,
            "answered_at": None,
            "ended_at": None,
        }
        call = Call(dial, room, participant, callee, row)
        if not callee.invite_after:
            self._send_invite(call)
        self.active[call.key] = call
        task = asyncio.get_running_loop().create_task(self._run(call))
        self._tasks[task] = call
        task.add_done_callback(self._tasks.pop)
        return call

    def _send_invite(self, call: Call) -> None:
        """Store the dial. Before anything rings: drills kill the sandbox and must not lose one."""
        call.row["at"] = self.clock.now()
        call.row["provisional"] = None if call.callee.silent else 100
        self.store.put(CALLS_TABLE, call.dial.call_id, call.row)
        if call.row["direction"] == "outbound":
            self._dial_counts[call.dial.number] += 1

    async def _run(self, call: Call) -> None:
        try:
            refusal = await self._ring(call)
            if refusal is None:
                await self._answer(call)
                await self._talk(call)
            else:
                call.ended_by = call.ended_by or "callee"
                call.answer.set_result(refusal)
                self.rooms.leave(call.room, call.participant.identity, refusal.disconnect_reason())
        finally:
            # Hooks first, so that the sound of recordings has ended when the row says "ended".
            self.active.pop(call.key, None)
            for hook in self.on_ended:
                hook(call)
            sip_code = call.row["sip_status_code"]
            if call.answer.done() and (refusal := call.answer.result()):
                sip_code = refusal.sip_code
            self._update_row(
                call, status="ended", sip_status_code=sip_code, ended_at=self.clock.now()
            )

    async def _answer(self, call: Call) -> None:
        answered_at = self.clock.now()
        self._update_row(call, status="in_progress", sip_status_code=200, answered_at=answered_at)
        # Both are known from the 200 on.
        full = {"sip.callIDFull": f"{random_name(20)}@sandbox", "sip.callTag": random_name(12)}
        call.participant.set_attributes(full)
        await self._send_dtmf(call)
        self._set_status_attribute(call, "active")
        for hook in self.on_answered:
            hook(call)
        call.answer.set_result(None)

    async def _ring(self, call: Call) -> Refusal | None:
        """Ring until the callee answers. Returns None, or the reason why they do not."""
        if call.row["direction"] == "inbound":
            return await self._wait_for_agent(call)

        delay = call.callee.invite_after
        if delay:
            if await self._wait(call, delay * self.clock.speed):
                return HUNG_UP_WHILE_RINGING
            self._send_invite(call)
        limit = min(call.dial.ringing_timeout, call.dial.max_duration)
        if call.callee.silent:
            if await self._wait(call, min(limit, TIMER_B_SECONDS)):
                return HUNG_UP_WHILE_RINGING
            return RINGING_TIMED_OUT if limit <= TIMER_B_SECONDS else INVITE_UNANSWERED
        return await self._ring_phone(call, limit)

    async def _ring_phone(self, call: Call, limit: float) -> Refusal | None:
        callee = call.callee
        if await self._wait(call, min(callee.trying, limit)):
            return HUNG_UP_WHILE_RINGING
        if callee.rings > 0 and callee.trying < limit:
            # Not stored in the file, because a restart ends the call in any case.
            call.row.update(status="ringing", provisional=183 if callee.early_media else 180)
            self._set_status_attribute(call, "ringing")
        in_time = callee.trying + callee.rings <= limit
        if await self._wait(call, min(callee.rings, limit - callee.trying)):
            return HUNG_UP_WHILE_RINGING
        return callee.refusal if in_time else RINGING_TIMED_OUT

    async def _wait_for_agent(self, call: Call) -> Refusal | None:
        """Wait for another participant, who answers an inbound call (sip inbound.go
        waitSubscribe). Returns None, or the reason why the call is not answered.
        """
        waited = 0.0
        while waited < call.dial.ringing_timeout:
            others = [p for p in call.room.participants.values() if p is not call.participant]
            if await self._wait(call, PICK_UP_POLL_SECONDS):
                return CALLER_REJECTED
            if others:
                return None
            waited += PICK_UP_POLL_SECONDS
        return sip_refusal(480)

    async def _send_dtmf(self, call: Call) -> None:
        """Wait while the dial's digits are sent; `w` is a pause."""
        if call.dial.dtmf:
            self._set_status_attribute(call, "automation")
            pauses = call.dial.dtmf.count("w")
            digits = len(call.dial.dtmf) - pauses
            await self._wait(call, pauses * DTMF_PAUSE_SECONDS + digits * DTMF_DIGIT_SECONDS)

    async def _talk(self, call: Call) -> None:
        """Keep the call up until the callee hangs up, it is too long, or the participant leaves."""
        callee = call.callee
        callee_stays = MAX_CALL_SECONDS if callee.talk is None else callee.talk
        if callee.talk is not None and callee.hangs_up == "agent":
            callee_stays += CALLEE_WAITS_IN_SILENCE_SECONDS
        # LiveKit counts the maximum duration from the dial.
        remaining = call.dial.max_duration - callee.trying - callee.rings

        has_left = await self._wait(call, min(callee_stays, remaining))
        if not has_left:
            call.ended_by = "callee" if callee_stays <= remaining else "max_duration"
        self._set_status_attribute(call, "hangup")
        if not has_left:
            self.rooms.leave(call.room, call.participant.identity, models.CLIENT_INITIATED)

    async def _wait(self, call: Call, seconds: float) -> bool:
        """Wait for simulated seconds. Returns True at once when the participant leaves the room."""
        done, _ = await asyncio.wait(
            {call.participant.left}, timeout=self.clock.to_wall_seconds(max(seconds, 0.0))
        )
        return bool(done)

    @staticmethod
    def _set_status_attribute(call: Call, status: str) -> None:
        call.participant.set_attributes({CALL_STATUS_ATTRIBUTE: status})
        call.room.notify_changed()

    def _update_row(self, call: Call, **changes: Any) -> None:
        call.row.update(changes)
        # The log may have been cleared meanwhile; the call must not come back then.
        if call.dial.call_id in self.store.table(CALLS_TABLE):
            self.store.put(CALLS_TABLE, call.dial.call_id, call.row)

    # --- crashes (docs/reference/real-livekit.md §2.1, §2.2) ---

    def rejoin_all(self) -> None:
        """Let the leg of every active call join the restarted server.

        It comes with the attributes it first joined with: not even an answer shows in them.
        """
        for call in list(self.active.values()):
            call.room = self.rooms.get_or_rejoin(call.room.name)
            info = call.participant.info
            info.sid = ""
            info.ClearField("tracks")
            info.attributes.clear()
            info.attributes.update(call.joined_with)
            self.rooms.enter(call.room, call.participant)
            self.rooms.publish(call.room, call.participant)

    def lose_all(self, *, participant_leaves_after: float | None) -> None:
        """Lose every call, as when the SIP service dies: nobody hangs up, and nothing is told.

        After simulated seconds the server takes their participants out; None when it is dead, too.
        """
        for task, call in list(self._tasks.items()):
            task.cancel()
            if participant_leaves_after is not None:
                asyncio.get_running_loop().call_later(
                    self.clock.to_wall_seconds(participant_leaves_after),
                    self.rooms.time_out,
                    call.room,
                    call.participant,
                )

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
