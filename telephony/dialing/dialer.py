"""One event loop that keeps hundreds of calls ringing. It holds nothing of the database meanwhile.

Per call: `prepare` makes the room with the agent in it; `watch_agents` waits for the agent, which
is our witness; `commit_intents` commits intents for the next quarter of a second of time slots;
`send` sends the dial request exactly once, at its slot; `record_responses` writes the answers in
chunks. ORM calls run in threads of their own, in chunks, never on the loop.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError

from telephony.clients.livekit.dial import Answered, DialRequest, dial
from telephony.clients.livekit.rooms import RoomRequest, create_room, verdict_on_room
from telephony.clients.livekit.session import LiveKit
from telephony.dialing import intents, jobs, responses, test_rooms
from telephony.dialing.admission import Gate
from telephony.dialing.jobs import Job
from telephony.dialing.protocol import (
    AGENT_JOIN_SECONDS,
    LEASE_RENEWAL_SECONDS,
    MAX_PACE_REST_SECONDS,
    MAX_UNSENT_INTENTS,
    ROOM_MARGIN_SECONDS,
    SLOT_TOLERANCE,
)
from telephony.dialing.responses import DialResponse
from telephony.dialing.room_deleter import delete_room_now
from telephony.domain.agent_metadata import is_too_long, metadata_of
from telephony.domain.dial_verdicts import (
    NO_AGENT,
    RELEASED,
    TOO_LONG,
    Verdict,
)
from telephony.domain.dialled_form import dialled_form
from telephony.domain.latest_ends import DEFAULT_MAX_CALL_SECONDS, DEFAULT_RINGING_SECONDS
from telephony.models import Call
from voiceops.core import failpoints
from voiceops.core.errors import ProviderError
from voiceops.core.orm_thread import OrmThread

logger = logging.getLogger(__name__)

AGENT_POLL_SECONDS = 0.1
PACE_POLL_SECONDS = 0.025
RESPONSE_POLL_SECONDS = 0.05
DATABASE_RETRY_SECONDS = 0.5
RESPONSE_CHUNK_ROWS = 200


class Dialer:
    """Dials the calls that `add` hands to it.

    `owner` is the id of the dispatcher, written on the rows that it holds. `on_answered` is awaited
    with the calls of each chunk that were answered (it starts recordings); it must not raise.
    """

    def __init__(
        self,
        *,
        livekit: LiveKit,
        gate: Gate,
        owner: UUID,
        intent_db: OrmThread,
        db: OrmThread,
        on_answered: Callable[[LiveKit, Sequence[Call]], Coroutine[Any, Any, None]],
    ) -> None:
        self.livekit = livekit
        self.gate = gate
        self.owner = owner
        self.on_answered = on_answered
        # A connection each: an intent must not queue behind the writing of responses.
        self.intent_db = intent_db
        self.db = db

        self.preparing: dict[UUID, Job] = {}
        self.awaiting_agent: dict[UUID, tuple[Job, float]] = {}  # room made; since (monotonic)
        self.ready: dict[UUID, Job] = {}
        self.in_flight: dict[UUID, asyncio.Task[None]] = {}
        self.responses: list[DialResponse] = []
        self.late: list[tuple[Job, asyncio.Future[datetime | None]]] = []  # woke past their slot
        self.unsent_intents = 0
        self.pace_rests_until = 0.0  # monotonic
        self.tasks: set[asyncio.Task[Any]] = set()
        # The database's clock, and this machine's monotonic one at that moment.
        self.clock: tuple[datetime, float] | None = None

    # --- what the dispatcher uses

    @property
    def held(self) -> int:
        """The number of reserved calls: claimed, not yet dialled."""
        return len(self.preparing) + len(self.awaiting_agent) + len(self.ready)

    @property
    def busy(self) -> bool:
        """Whether a call is reserved, being dialled, or has a response that is not written yet."""
        return bool(self.held or self.in_flight or self.responses)

    def add(self, new_jobs: Iterable[Job]) -> None:
        """Begin to prepare these reserved calls."""
        for job in new_jobs:
            self.preparing[job.call.pk] = job
            self.spawn(self.prepare(job))

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; the caller decides how long to wait for calls in flight."""
        steps = (
            (self.watch_agents, AGENT_POLL_SECONDS),
            (self.commit_intents, PACE_POLL_SECONDS),
            (self.record_responses, RESPONSE_POLL_SECONDS),
            (self.renew_leases, LEASE_RENEWAL_SECONDS),
        )
        async with asyncio.TaskGroup() as group:
            for step, interval_seconds in steps:
                group.create_task(self.repeat(step, interval_seconds, stop))

    async def release(self) -> None:
        """Give back every call that was not dialled, without counting an attempt."""
        unsent = [
            *self.preparing.values(),
            *(job for job, _ in self.awaiting_agent.values()),
            *self.ready.values(),
        ]
        self.preparing.clear()
        self.awaiting_agent.clear()
        self.ready.clear()
        # Calls whose intent is being committed right now are not closed, and keep their rooms.
        closed = await self.db(jobs.close_unsent, unsent, RELEASED)
        await asyncio.gather(*(self.close_room(job) for job in closed))

    # --- machinery

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that is kept alive and whose failure is logged."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._reap)
        return task

    def _reap(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("A step of the dialer failed; its call will be reconciled", exc_info=error)

    async def repeat(
        self, step: Callable[[], Awaitable[None]], interval_seconds: float, stop: asyncio.Event
    ) -> None:
        """Run the step again and again; while the database is away, nothing is dialled."""
        while not stop.is_set():
            try:
                await step()
            except (OperationalError, InterfaceError) as error:
                logger.warning("The database cannot be reached, trying again: %s", error)
                await asyncio.sleep(DATABASE_RETRY_SECONDS)
            await asyncio.sleep(interval_seconds)

    def now(self) -> datetime:
        """Return the database's time, carried on by the monotonic clock since the last intents."""
        assert self.clock is not None
        database_time, monotonic = self.clock
        return database_time + timedelta(seconds=time.monotonic() - monotonic)

    # --- step 2: prepare

    async def prepare(self, job: Job) -> None:
        """Make the call's room, or close the call."""
        try:
            await self._open_room(job)
        finally:
            # After an unexpected error too, or the call's lease would be renewed for ever.
            self.preparing.pop(job.call.pk, None)

    async def _open_room(self, job: Job) -> None:
        call = job.call
        if call.is_test:
            await self._open_test_room(job)
            return
        metadata = metadata_of(call, job.config)
        if is_too_long(metadata):
            # LiveKit would refuse it each time, and the breaker would blame LiveKit.
            await self._close_prepared(job, TOO_LONG)
            return
        room = RoomRequest(
            name=call.room,
            agent_name=settings.LIVEKIT_AGENT_NAME,
            agent_metadata=metadata,
            empty_timeout=int(settings.DIAL_FENCE_SECONDS) + ROOM_MARGIN_SECONDS,
        )
        try:
            await create_room(self.livekit, room)
        except ProviderError as error:
            logger.warning("The room of call %s could not be made: %s", call.pk, error)
            await self._close_prepared(job, verdict_on_room(error))
            return
        if self.preparing.pop(call.pk, None):
            self.awaiting_agent[call.pk] = (job, time.monotonic())

    async def _open_test_room(self, job: Job) -> None:
        if verdict := await test_rooms.open_test_room(self.livekit, job.call):
            await self._close_prepared(job, verdict)
        elif self.preparing.pop(job.call.pk, None):
            self.ready[job.call.pk] = job  # there is no agent to wait for

    async def _close_prepared(self, job: Job, verdict: Verdict) -> None:
        """Close a call that has no room, unless `release` has closed it meanwhile."""
        if self.preparing.pop(job.call.pk, None):
            await self.db(jobs.close_unsent, [job], verdict)

    async def watch_agents(self) -> None:
        """Make calls ready whose agent has joined; close those whose agent is overdue."""
        if not self.awaiting_agent:
            return
        joined = await self.db(jobs.calls_with_agent, list(self.awaiting_agent))
        overdue_since = time.monotonic() - AGENT_JOIN_SECONDS
        for pk, (job, since) in list(self.awaiting_agent.items()):
            if pk in joined:
                self.ready[pk] = job
            elif since < overdue_since:
                self.spawn(self._close_with_room(job, NO_AGENT))
            else:
                continue
            del self.awaiting_agent[pk]

    async def _close_with_room(self, job: Job, verdict: Verdict) -> None:
        for closed in await self.db(jobs.close_unsent, [job], verdict):
            await self.close_room(closed)

    async def close_room(self, job: Job) -> None:
        """Delete the room of a call that was never sent; one that cannot be closes by itself."""
        try:
            await delete_room_now(self.livekit, self.db, job.call)
        except ProviderError as error:
            logger.info("The room of call %s will close by itself: %s", job.call.pk, error)

    # --- step 3: intent

    async def commit_intents(self) -> None:
        """Give slots to late sends first, then to as many ready calls as the horizon allows."""
        await self._reslot_late_sends()
        chosen = list(islice(self.ready.values(), max(0, MAX_UNSENT_INTENTS - self.unsent_intents)))
        if not chosen or time.monotonic() < self.pace_rests_until:
            return
        pacing_round = await self.intent_db(
            intents.commit_intents, chosen, owner=self.owner, gate=self.gate
        )
        self.clock = (pacing_round.now, pacing_round.monotonic)
        self._rest_until_next_slot(pacing_round)
        if pacing_round.sends:
            failpoints.hit("after_intent", (job.call.pk for job, _ in pacing_round.sends))

        # `release` may have removed some of them while the intents were being committed.
        still_ready = {job.call.pk for job in chosen if self.ready.pop(job.call.pk, None)}
        for job in pacing_round.waiting:
            if job.call.pk in still_ready:
                self.ready[job.call.pk] = job  # at the end: a slow number must not block the others
        self.unsent_intents += len(pacing_round.sends)
        for job, slot in pacing_round.sends:
            self.in_flight[job.call.pk] = self.spawn(self.send(job, slot))
        for job in pacing_round.refused:
            self.spawn(self.close_room(job))

    def _rest_until_next_slot(self, pacing_round: intents.PacingRound) -> None:
        """Leave the database alone while every slot of the horizon is given out.

        The rest is short, so that a slow commit does not lose a slot.
        """
        if pacing_round.next_slot is None:
            return
        until_slot = pacing_round.next_slot - pacing_round.now - SLOT_TOLERANCE
        rest_seconds = min(MAX_PACE_REST_SECONDS, until_slot.total_seconds())
        self.pace_rests_until = pacing_round.monotonic + rest_seconds

    async def _reslot_late_sends(self) -> None:
        """Answer all sends that woke past their slot, in one transaction."""
        late = list(self.late)
        if not late:
            return
        slots = await self.intent_db(
            intents.reslot_late_sends, [job for job, _ in late], gate=self.gate
        )
        # Only now: a send must not wait for ever because the database was away.
        del self.late[: len(late)]
        for (_, new_slot), slot in zip(late, slots, strict=True):
            if not new_slot.done():
                new_slot.set_result(slot)

    # --- step 4: send once

    async def send(self, job: Job, slot: datetime) -> None:
        """Dial at the slot, exactly once, and keep the response for `record_responses`."""
        call = job.call
        try:
            try:
                if not await self._wait_for_slot(job, slot):
                    return
            finally:
                self.unsent_intents -= 1
            sent_at = self.now()
            failpoints.hit("after_send", [call.pk], delay=0.1)
            result = await dial(self.livekit, _dial_request(job))
            if isinstance(result, Answered):
                failpoints.hit("after_answer", [call.pk])
            self.responses.append(
                DialResponse(job=job, sent_at=sent_at, received_at=self.now(), result=result)
            )
        finally:
            self.in_flight.pop(call.pk, None)

    async def _wait_for_slot(self, job: Job, slot: datetime) -> bool:
        """Sleep until the slot. False when the intent grew too old and was put back.

        A send that wakes too late needs a new slot, which may lie behind the intent's end.
        """
        ends_at = intents.intent_ends_at(job.call)
        next_slot: datetime | None = slot
        while next_slot is not None:
            await asyncio.sleep(max(0.0, (next_slot - self.now()).total_seconds()))
            now = self.now()
            if now > ends_at:
                break
            if now - next_slot <= SLOT_TOLERANCE:
                return True
            next_slot = await self._request_slot(job)
        if await self.intent_db(intents.put_back, job, self.owner):
            self.ready[job.call.pk] = job
        return False

    async def _request_slot(self, job: Job) -> datetime | None:
        """Wait for the next round of pacing, which gives new slots to all late sends."""
        new_slot: asyncio.Future[datetime | None] = asyncio.get_running_loop().create_future()
        self.late.append((job, new_slot))
        return await new_slot

    # --- step 5: classify

    async def record_responses(self) -> None:
        """Write a chunk of responses, then start what follows from them."""
        if not self.responses:
            return
        chunk = self.responses[:RESPONSE_CHUNK_ROWS]
        answered = await self.db(responses.record_responses, chunk)
        # Only now: a response must survive a database that was away.
        del self.responses[: len(chunk)]
        if answered:
            self.spawn(self.on_answered(self.livekit, answered))
        if tests := [call for call in answered if call.is_test]:
            self.spawn(test_rooms.hang_up_tests(self.livekit, self.db, tests))

    async def renew_leases(self) -> None:
        """Keep the leases, and stop waiting for answers to calls that have ended meanwhile."""
        held = [*self.preparing, *self.awaiting_agent, *self.ready, *self.in_flight]
        if not held:
            return
        await self.db(jobs.renew_leases, self.owner, held)
        for pk in await self.db(jobs.ended_calls, list(self.in_flight)):
            if task := self.in_flight.get(pk):
                task.cancel()


def _dial_request(job: Job) -> DialRequest:
    call = job.call
    assert call.not_after is not None
    config = job.config
    return DialRequest(
        room=call.room,
        identity=call.callee_identity,
        trunk_id=job.trunk_id,
        from_number=call.from_number,
        to_number=dialled_form(call.number, call.to_number) if call.number else call.to_number,
        ringing_timeout=int(config.get("ringing_timeout_seconds", DEFAULT_RINGING_SECONDS)),
        max_call_duration=int(config.get("max_call_duration_seconds", DEFAULT_MAX_CALL_SECONDS)),
        expires_at=call.not_after,
    )
