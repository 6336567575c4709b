"""A bare server in place of LiveKit, against which the dialer is measured: the two requests of a
dial, and nothing else.

Rooms are created at once, every callee answers after `answer_seconds` and hangs up after
`talk_seconds`. What agents and LiveKit's webhooks would report is written straight into the rows,
because receiving it is the work of the web server and not of the measured worker.
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

from ops.bench.child_processes import livekit_port
from telephony.models import Call, Outcome, Stage
from voiceops.core.orm_thread import OrmThread

REPORT_INTERVAL_SECONDS = 0.03


@dataclass
class LiveKitStub:
    answer_seconds: float
    talk_seconds: float = 0.0
    new_rooms: list[str] = field(default_factory=list)  # whose agent has not been reported
    # By room: when the callee hangs up (monotonic time), and the calling number.
    talking: dict[str, tuple[float, str]] = field(default_factory=dict)
    dials: list[tuple[float, str]] = field(default_factory=list)  # Unix time, calling number
    concurrent: Counter[str] = field(default_factory=Counter)  # by calling number
    max_concurrent: Counter[str] = field(default_factory=Counter)
    ringing: int = 0
    max_ringing: int = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/twirp/livekit.RoomService/CreateRoom", self.create_room)
        app.router.add_post("/twirp/livekit.RoomService/DeleteRoom", self.delete_room)
        app.router.add_post("/twirp/livekit.SIP/CreateSIPParticipant", self.dial)
        return app

    async def create_room(self, request: web.Request) -> web.Response:
        message = api.CreateRoomRequest.FromString(await request.read())
        self.new_rooms.append(message.name)
        return web.Response(body=b"")

    async def delete_room(self, request: web.Request) -> web.Response:
        return web.Response(body=b"")

    async def dial(self, request: web.Request) -> web.Response:
        message = api.CreateSIPParticipantRequest.FromString(await request.read())
        caller_id = message.sip_number
        self.dials.append((time.time(), caller_id))
        self.concurrent[caller_id] += 1
        self.max_concurrent[caller_id] = max(
            self.max_concurrent[caller_id], self.concurrent[caller_id]
        )
        self.ringing += 1
        self.max_ringing = max(self.max_ringing, self.ringing)
        # The real request, too, is answered only when the callee has answered.
        await asyncio.sleep(self.answer_seconds)
        self.ringing -= 1
        self.talking[message.room_name] = (time.monotonic() + self.talk_seconds, caller_id)
        participant = SIPParticipantInfo(
            participant_identity=message.participant_identity, sip_call_id="SCL_loopback"
        )
        return web.Response(body=participant.SerializeToString())

    async def write_reports(self) -> None:
        """Write into the rows that agents have joined and callees have hung up, until cancelled."""
        async with OrmThread() as db:
            while True:
                await asyncio.sleep(REPORT_INTERVAL_SECONDS)
                rooms, self.new_rooms = self.new_rooms, []
                if rooms:
                    await db(mark_agents_joined, rooms)
                now = time.monotonic()
                # A call stays in `talking` until the worker has written its answer.
                finished = [room for room, (until, _) in self.talking.items() if until <= now]
                ended = await db(end_calls, finished) if finished else set()
                for room in ended:
                    _, caller_id = self.talking.pop(room)
                    self.concurrent[caller_id] -= 1


def mark_agents_joined(rooms: Sequence[str]) -> None:
    now = timezone.now()
    Call.unscoped.filter(room__in=rooms).update(agent_joined_at=now, agent_seen_at=now)


def end_calls(rooms: Sequence[str]) -> set[str]:
    """End those calls whose answer the worker has written; returns their rooms."""
    in_progress = Call.unscoped.filter(room__in=rooms, stage=Stage.IN_PROGRESS)
    answered = set(in_progress.values_list("room", flat=True))
    Call.unscoped.filter(room__in=answered, stage=Stage.IN_PROGRESS).update(
        ended_at=timezone.now(),
        stage=Stage.ENDED,
        outcome=Outcome.ANSWERED,
        end_reason="hangup",
        hung_up_by="callee",
        detected="human",
    )
    return answered


async def serve_until_stdin_closes(stub: LiveKitStub) -> None:
    """Serve on LIVEKIT_URL's port, until the parent process closes this one's standard input."""
    task = asyncio.create_task(serve(stub, livekit_port()))
    await asyncio.to_thread(sys.stdin.read)
    task.cancel()


async def serve(stub: LiveKitStub, port: int) -> None:
    """Serve until cancelled."""
    runner = web.AppRunner(stub.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    try:
        await stub.write_reports()
    finally:
        await runner.cleanup()
