"""Telephone calls: the INVITE, the ringing, the talk, the end (protocols.md 2.1).

The participant is in the room before the INVITE leaves, and the dial is on file before it is
"sent".
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from livekit.protocol import models

from sandbox.clock import Clock
from sandbox.livekit.rooms import Participant, Room, Rooms
from sandbox.livekit.sip_errors import (
    HUNG_UP_WHILE_RINGING,
    RINGING_TIMED_OUT,
    Refusal,
    sip_refusal,
)
from sandbox.phones.callee import Callee
from sandbox.store import Row, Store

MAX_CALL_SECONDS = 24 * 3600.0  # the server's own cap
DEFAULT_RINGING_TIMEOUT_SECONDS = 180.0  # the server's default
CALLEE_WAITS_IN_SILENCE_SECONDS = (
    20.0  # how long the callee stays on a line where nobody says anything any more
)
PICK_UP_POLL_SECONDS = 0.5  # simulated seconds, inbound
DTMF_DIGIT_SECONDS = 0.25  # simulated seconds a digit takes
CALL_STATUS_ATTRIBUTE = "sip.callStatus"


@dataclass(frozen=True)
class Dial:
    """What one CreateSIPParticipant asks for, resolved. Durations are simulated seconds."""

    call_id: str
    number: str
    caller_id: str
    trunk_id: str
    ringing_timeout: float
    max_duration: float
    dtmf: str = ""


@dataclass(eq=False)
class Call:
    """`answer` holds None once the callee has answered, a Refusal once it is clear that nobody
    will.
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

    @property
    def key(self) -> tuple[str, str]:
        return (self.room.name, self.participant.identity)


@dataclass
class Calls:
    clock: Clock
    rooms: Rooms
    store: Store
    active: dict[tuple[str, str], Call] = field(default_factory=dict)
    on_answered: list[Callable[[Call], None]] = field(default_factory=list)
    on_ended: list[Callable[[Call], None]] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._dialled = Counter(row["number"] for row in self.dials())
        for row in list(self.store.table("calls").values()):
            if row["status"] != "ended":  # it was up when the sandbox died, and died with it
                self.store.put(
                    "calls",
                    row["call_id"],
                    {**row, "status": "ended", "ended_at": self.clock.now()},
                )

    def count_dials(self, number: str) -> int:
        """INVITEs sent to a number since the log was cleared."""
        return self._dialled[number]

    def dials(self) -> Iterable[Row]:
        return (row for row in self.store.table("calls").values() if row["direction"] == "outbound")

    def rows(self) -> Iterable[Row]:
        return self.store.table("calls").values()

    def clear_dials(self) -> None:
        self.store.clear("calls")
        self._dialled.clear()

    def start(
        self,
        dial: Dial,
        *,
        room: Room,
        participant: Participant,
        callee: Callee,
        direction: str = "outbound",
    ) -> Call:
        """Send the INVITE (or, inbound, take it) and let the call live its life; returns at once."""
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
            "status": "dialing",
            "sip_status_code": None,
            "answered_at": None,
            "ended_at": None,
        }
        call = Call(dial, room, participant, callee, row)
        self.store.put("calls", dial.call_id, row)
        if direction == "outbound":
            self._dialled[dial.number] += 1
        self.active[call.key] = call
        task = asyncio.get_running_loop().create_task(self._run(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return call

    async def _run(self, call: Call) -> None:
        try:
            refusal = await self._ring(call)
            if refusal is None:
                self._update_row(
                    call, status="in_progress", sip_status_code=200, answered_at=self.clock.now()
                )
                await self._send_dtmf(call)
                self._set_status_attribute(call, "active")
                for hook in self.on_answered:
                    hook(call)
                call.answer.set_result(None)
                await self._talk(call)
            else:
                call.ended_by = call.ended_by or "callee"
                call.answer.set_result(refusal)
                self.rooms.leave(call.room, call.participant.identity, refusal.disconnect_reason())
        finally:
            self.active.pop(call.key, None)
            for hook in self.on_ended:
                hook(call)
            sip_code = call.row["sip_status_code"]
            if call.answer.done() and (refusal := call.answer.result()):
                sip_code = refusal.sip_code
            self._update_row(
                call, status="ended", sip_status_code=sip_code, ended_at=self.clock.now()
            )

    async def _ring(self, call: Call) -> Refusal | None:
        """None when the callee answers."""
        if call.row["direction"] == "inbound":
            return await self._wait_for_agent(call)
        callee, limit = call.callee, min(call.dial.ringing_timeout, call.dial.max_duration)
        if await self._wait(call, min(callee.trying, limit)):
            return HUNG_UP_WHILE_RINGING
        if callee.rings > 0:
            call.row["status"] = (
                "ringing"  # not worth a line on file: a restart ends the call anyway
            )
            self._set_status_attribute(call, "ringing")
        in_time = callee.trying + callee.rings <= limit
        if await self._wait(call, min(callee.rings, limit - callee.trying)):
            return HUNG_UP_WHILE_RINGING
        return callee.refusal if in_time else RINGING_TIMED_OUT

    async def _wait_for_agent(self, call: Call) -> Refusal | None:
        """An inbound call is answered when somebody in the room can be heard (sip inbound.go
        waitSubscribe).
        """
        waited = 0.0
        while waited < call.dial.ringing_timeout:
            if any(p is not call.participant for p in call.room.participants.values()):
                return (
                    HUNG_UP_WHILE_RINGING if await self._wait(call, PICK_UP_POLL_SECONDS) else None
                )
            if await self._wait(call, PICK_UP_POLL_SECONDS):
                return HUNG_UP_WHILE_RINGING
            waited += PICK_UP_POLL_SECONDS
        return sip_refusal(480)

    async def _send_dtmf(self, call: Call) -> None:
        """The digits we send first; `w` is half a second of silence."""
        if call.dial.dtmf:
            self._set_status_attribute(call, "automation")
            await self._wait(
                call, sum(0.5 if key == "w" else DTMF_DIGIT_SECONDS for key in call.dial.dtmf)
            )

    async def _talk(self, call: Call) -> None:
        callee = call.callee
        remaining = call.dial.max_duration - callee.trying - callee.rings
        stays = (
            MAX_CALL_SECONDS
            if callee.talk is None
            else callee.talk
            + (CALLEE_WAITS_IN_SILENCE_SECONDS if callee.hangs_up == "agent" else 0.0)
        )
        if await self._wait(call, min(stays, remaining)):
            self._set_status_attribute(call, "hangup")
            return
        call.ended_by = "callee" if stays <= remaining else "max_duration"
        self._set_status_attribute(call, "hangup")
        self.rooms.leave(call.room, call.participant.identity, models.CLIENT_INITIATED)

    async def _wait(self, call: Call, seconds: float) -> bool:
        """Let time pass; True at once when somebody takes the participant out of the room."""
        done, _ = await asyncio.wait(
            {call.participant.gone}, timeout=self.clock.to_wall_seconds(max(seconds, 0.0))
        )
        return bool(done)

    @staticmethod
    def _set_status_attribute(call: Call, status: str) -> None:
        call.participant.info.attributes[CALL_STATUS_ATTRIBUTE] = status
        call.room.notify_changed()

    def _update_row(self, call: Call, **changes: Any) -> None:
        call.row.update(changes)
        if call.dial.call_id in self.store.table("calls"):  # else the log was cleared meanwhile
            self.store.put("calls", call.dial.call_id, call.row)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
