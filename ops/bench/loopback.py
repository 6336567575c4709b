"""The bare server the dialler is measured against: LiveKit's two requests of a dial, and nothing
else.

Rooms are made at once, every callee answers after `answer_seconds` and hangs up after
`talk_seconds`. What the agent reports and LiveKit's webhooks tell is written straight into the
rows, a few hundredths of a second's worth at a time: taking it in is the web server's work to do,
not the worker's.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiohttp import web
from django.utils import timezone
from livekit import api
from livekit.protocol.sip import SIPParticipantInfo

from ops.bench.parts import livekit_port
from telephony.models import Call, Outcome, Stage
from voiceops.core.orm_thread import OrmThread

REPORT_EVERY = 0.03


@dataclass
class Loopback:
    answer_seconds: float
    talk_seconds: float = 0.0
    rooms: list[str] = field(default_factory=list)
    talking: dict[str, tuple[float, str]] = field(
        default_factory=dict
    )  # room: when the talk is over, the caller
    dials: list[tuple[float, str]] = field(default_factory=list)  # when, the caller
    up: Counter[str] = field(default_factory=Counter)  # calls at once, by caller
    most_up: Counter[str] = field(default_factory=Counter)
    ringing: int = 0
    most_ringing: int = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/twirp/livekit.RoomService/CreateRoom", self.create_room)
        app.router.add_post("/twirp/livekit.RoomService/DeleteRoom", self.delete_room)
        app.router.add_post("/twirp/livekit.SIP/CreateSIPParticipant", self.dial)
        return app

    async def create_room(self, request: web.Request) -> web.Response:
        order = api.CreateRoomRequest.FromString(await request.read())
        self.rooms.append(order.name)
        return web.Response(body=b"")

    async def delete_room(self, request: web.Request) -> web.Response:
        return web.Response(body=b"")

    async def dial(self, request: web.Request) -> web.Response:
        order = api.CreateSIPParticipantRequest.FromString(await request.read())
        caller = order.sip_number
        self.dials.append((time.time(), caller))
        self.up[caller] += 1
        self.most_up[caller] = max(self.most_up[caller], self.up[caller])
        self.ringing += 1
        self.most_ringing = max(self.most_ringing, self.ringing)
        await asyncio.sleep(self.answer_seconds)
        self.ringing -= 1
        self.talking[order.room_name] = (time.monotonic() + self.talk_seconds, caller)
        answer = SIPParticipantInfo(
            participant_identity=order.participant_identity, sip_call_id="SCL_loopback"
        )
        return web.Response(body=answer.SerializeToString())

    async def report(self) -> None:
        """Say that agents have joined and that callees have hung up."""
        async with OrmThread() as db:
            while True:
                await asyncio.sleep(REPORT_EVERY)
                rooms, self.rooms = self.rooms, []
                if rooms:
                    await db(agents_joined, rooms)
                over = [
                    room for room, (until, _) in self.talking.items() if until <= time.monotonic()
                ]
                for room in await db(hang_up, over) if over else ():
                    self.up[self.talking.pop(room)[1]] -= 1


def agents_joined(rooms: Sequence[str]) -> None:
    now = timezone.now()
    Call.unscoped.filter(room__in=rooms).update(agent_joined_at=now, agent_seen_at=now)


def hang_up(rooms: Sequence[str]) -> set[str]:
    """End those of the calls whose answer has been written; returns their rooms."""
    answered = set(
        Call.unscoped.filter(room__in=rooms, stage=Stage.IN_PROGRESS).values_list("room", flat=True)
    )
    ended = {
        "stage": Stage.ENDED,
        "outcome": Outcome.ANSWERED,
        "end_reason": "hangup",
        "hung_up_by": "callee",
        "detected": "human",
    }
    Call.unscoped.filter(room__in=answered, stage=Stage.IN_PROGRESS).update(
        ended_at=timezone.now(), **ended
    )
    return answered


async def serve_until_told(loopback: Loopback) -> None:
    """On LIVEKIT_URL's port, until whoever started this process closes its standard input."""
    task = asyncio.create_task(serve(loopback, livekit_port()))
    await asyncio.to_thread(sys.stdin.read)
    task.cancel()


async def serve(loopback: Loopback, port: int) -> None:
    """Until cancelled."""
    runner = web.AppRunner(loopback.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    try:
        await loopback.report()
    finally:
        await runner.cleanup()
