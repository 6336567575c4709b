"""One event loop that keeps hundreds of calls ringing. Nothing of the database is held while a
phone rings.

Per call: `prepare` makes the room with the agent in it; `watch_agents` waits for the agent, our
witness; `pace` commits intents for the next quarter of a second of time slots; `send` sends the
dial request exactly once, at its slot; `store` writes the answers in chunks. ORM calls run in the
`db` executor, in chunks, never on the loop.
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
from telephony.clients.livekit.rooms import RoomRequest, create_room, delete_room, verdict_on_room
from telephony.clients.livekit.session import LiveKit
from telephony.dialing import intents
from telephony.dialing.admission import Gate
from telephony.dialing.intents import Job, Result
from telephony.domain.agent_metadata import is_too_long, metadata_of
from telephony.domain.dial_verdicts import (
    NO_AGENT,
    RELEASED,
    TOO_LONG,
    Blame,
    DialRefusal,
    Verdict,
    classify,
)
from telephony.models import Call
from voiceops.core import failpoints
from voiceops.core.errors import ProviderError
from voiceops.core.orm_thread import OrmThread

logger = logging.getLogger(__name__)

AGENT_PATIENCE = 10.0  # seconds until an agent that has not joined counts as missing
LATE = 0.040  # seconds past its slot at which a send takes a new one
STALE = 1.0  # seconds after which an intent that was not sent is dropped
# Seconds the pace rests at most when every slot of the horizon is given out: a slow commit loses
# none.
REST = 0.1
MOST_UNSENT = (
    40  # intents at a time: a send costs this loop half a millisecond, so the last is not late
)


class Dialer:
    """Dials the calls it is given with `add`. `owner` is the id of the shift, written on the rows
    it holds.

    `on_answered` is awaited with the calls of each chunk that were answered (it starts recordings);
    it must not raise.
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
        self.livekit, self.gate, self.owner, self.on_answered = livekit, gate, owner, on_answered
        self.intent_db, self.db = (
            intent_db,
            db,
        )  # a connection each: an intent must not queue behind results
        self.preparing: dict[UUID, Job] = {}
        self.waiting: dict[UUID, tuple[Job, float]] = {}  # room made; since (monotonic)
        self.ready: dict[UUID, Job] = {}
        self.in_flight: dict[UUID, asyncio.Task[None]] = {}
        self.results: list[Result] = []
        self.late: list[tuple[Job, asyncio.Future[datetime]]] = []  # woke past their slot
        self.rests_until = 0.0  # monotonic
        self.unsent = 0  # intents whose send is still to come
        self.tasks: set[asyncio.Task[Any]] = set()
        self.clock: tuple[datetime, float] | None = (
            None  # the database's now, at this monotonic time
        )

    # --- what the shift sees
    # -------------------------------------------------------------------------------------

    @property
    def held(self) -> int:
        """Reserved calls: claimed, not yet dialled."""
        return len(self.preparing) + len(self.waiting) + len(self.ready)

    @property
    def busy(self) -> bool:
        return bool(self.held or self.in_flight or self.results)

    def add(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self.preparing[job.call.pk] = job
            self.spawn(self.prepare(job))

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then the caller decides how long to wait for what is in flight."""
        async with asyncio.TaskGroup() as group:
            for step, every in (
                (self.watch_agents, 0.1),
                (self.pace, 0.025),
                (self.store, 0.05),
                (self.renew, 3.0),
            ):
                group.create_task(self.repeat(step, every, stop))

    async def release(self) -> None:
        """Give back everything that was not dialled, free of charge."""
        jobs = [
            *self.preparing.values(),
            *(job for job, _ in self.waiting.values()),
            *self.ready.values(),
        ]
        self.preparing.clear()
        self.waiting.clear()
        self.ready.clear()
        closed = await self.db(
            intents.close_unsent, jobs, RELEASED
        )  # not those whose intent is being committed meanwhile
        await asyncio.gather(*(self.drop_room(job) for job in closed))

    # --- machinery
    # -----------------------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.reap)
        return task

    def reap(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error(
                "A step of the dialler failed; its call will be reconciled", exc_info=error
            )

    async def repeat(
        self, step: Callable[[], Awaitable[None]], every: float, stop: asyncio.Event
    ) -> None:
        while not stop.is_set():
            try:
                await step()
            except (
                OperationalError,
                InterfaceError,
            ) as error:  # the database is away: nothing is dialled meanwhile
                logger.warning("The database cannot be reached, trying again: %s", error)
                await asyncio.sleep(0.5)
            await asyncio.sleep(every)

    def now(self) -> datetime:
        """The database's clock, carried on by this machine's monotonic one since the last intents."""
        assert self.clock is not None
        at, mark = self.clock
        return at + timedelta(seconds=time.monotonic() - mark)

    # --- 2. prepare ----------------------------------------------------------------------------------------------

    async def prepare(self, job: Job) -> None:
        try:
            await self.open_room(job)
        finally:
            self.preparing.pop(
                job.call.pk, None
            )  # or a surprise would renew the call's lease for ever

    async def open_room(self, job: Job) -> None:
        call, metadata = job.call, metadata_of(job.call, job.config)
        if is_too_long(metadata):  # LiveKit would refuse it each time, and be taken for broken
            if self.preparing.pop(call.pk, None):
                await self.db(intents.close_unsent, [job], TOO_LONG)
            return
        order = RoomRequest(
            name=call.room,
            agent_name=settings.LIVEKIT_AGENT_NAME,
            agent_metadata=metadata,
            empty_timeout=int(settings.DIAL_FENCE_SECONDS) + 60,
        )
        try:
            await create_room(self.livekit, order)
        except ProviderError as error:
            logger.warning("The room of call %s could not be made: %s", call.pk, error)
            if self.preparing.pop(call.pk, None):
                await self.db(intents.close_unsent, [job], verdict_on_room(error))
            return
        if self.preparing.pop(call.pk, None):
            self.waiting[call.pk] = (job, time.monotonic())

    async def watch_agents(self) -> None:
        if not self.waiting:
            return
        joined = await self.db(intents.with_agent, list(self.waiting))
        late = time.monotonic() - AGENT_PATIENCE
        for pk, (job, since) in list(self.waiting.items()):
            if pk in joined:
                self.ready[pk] = job
            elif since < late:
                self.spawn(self.give_up(job, NO_AGENT))
            else:
                continue
            del self.waiting[pk]

    async def give_up(self, job: Job, verdict: Verdict) -> None:
        for closed in await self.db(intents.close_unsent, [job], verdict):
            await self.drop_room(closed)

    async def drop_room(self, job: Job) -> None:
        try:
            await delete_room(self.livekit, job.call.room)
        except ProviderError as error:
            logger.info("The room of call %s will close by itself: %s", job.call.pk, error)

    # --- 3. intent -----------------------------------------------------------------------------------------------

    async def pace(self) -> None:
        await self.serve_late()
        jobs = list(islice(self.ready.values(), max(0, MOST_UNSENT - self.unsent)))
        if not jobs or time.monotonic() < self.rests_until:
            return
        taken = await self.intent_db(intents.take_intents, jobs, owner=self.owner, gate=self.gate)
        self.clock = (taken.now, taken.mark)
        if (
            taken.next_slot is not None
        ):  # until then there is nothing to give out: let the database rest
            self.rests_until = taken.mark + min(
                REST, (taken.next_slot - taken.now).total_seconds() - LATE
            )
        if taken.sends:
            failpoints.hit("after_intent", (job.call.pk for job, _ in taken.sends))
        kept = {
            job.call.pk for job in jobs if self.ready.pop(job.call.pk, None)
        }  # a release may have been quicker
        waiting = {job.call.pk: job for job in taken.waiting if job.call.pk in kept}
        self.ready |= waiting  # at the end: a slow number must not block the others
        self.unsent += len(taken.sends)
        for job, slot in taken.sends:
            self.in_flight[job.call.pk] = self.spawn(self.send(job, slot))
        for job in taken.refused:
            self.spawn(self.drop_room(job))

    async def serve_late(self) -> None:
        """New slots for those who woke past theirs."""
        late, self.late = self.late, []
        if not late:
            return
        slots = await self.intent_db(intents.more_slots, [job for job, _ in late])
        for (_, waiting), slot in zip(late, slots, strict=True):
            if not waiting.done():
                waiting.set_result(slot)

    # --- 4. send once --------------------------------------------------------------------------------------------

    async def send(self, job: Job, slot: datetime) -> None:
        call = job.call
        try:
            try:
                if not await self.keep_slot(job, slot):
                    return
            finally:
                self.unsent -= 1
            sent_at = self.now()
            assert call.not_after is not None
            failpoints.hit("after_send", [call.pk], delay=0.1)
            answer = await dial(
                self.livekit,
                DialRequest(
                    room=call.room,
                    identity=call.callee_identity,
                    trunk_id=job.trunk_id,
                    from_number=call.from_number,
                    to_number=call.to_number,
                    ringing_timeout=int(job.config.get("ringing_timeout_seconds", 30)),
                    max_call_duration=int(job.config.get("max_call_duration_seconds", 600)),
                    expires_at=call.not_after,
                ),
            )
            if isinstance(answer, Answered):
                failpoints.hit("after_answer", [call.pk])
            self.results.append(Result(job=job, sent_at=sent_at, at=self.now(), answer=answer))
        finally:
            self.in_flight.pop(call.pk, None)

    async def keep_slot(self, job: Job, slot: datetime) -> bool:
        """Sleep until the slot. Waking late takes a new slot; an intent that grew old meanwhile is
        put back.
        """
        call = job.call
        assert call.intent_at is not None
        while True:
            await asyncio.sleep(max(0.0, (slot - self.now()).total_seconds()))
            late = (self.now() - slot).total_seconds()
            age = (self.now() - call.intent_at).total_seconds()
            if age > STALE:
                if await self.intent_db(intents.put_back, job, self.owner):
                    self.ready[call.pk] = job
                return False
            if late <= LATE:
                return True
            slot = await self.another_slot(job)

    async def another_slot(self, job: Job) -> datetime:
        """Wait for the pace to give out new slots to all who came too late, in one transaction."""
        waiting: asyncio.Future[datetime] = asyncio.get_running_loop().create_future()
        self.late.append((job, waiting))
        return await waiting

    # --- 5. classify ---------------------------------------------------------------------------------------------

    async def store(self) -> None:
        if not self.results:
            return
        chunk = self.results[:200]
        answered = await self.db(intents.write_results, chunk)
        del self.results[: len(chunk)]  # only now: an answer must survive a database that was away
        if answered:
            self.spawn(self.on_answered(self.livekit, answered))
        self.forget_over(chunk)

    def forget_over(self, chunk: Sequence[Result]) -> None:
        """No callee will come any more: close the room, or the agent waits in it until it times
        out.
        """
        for result in chunk:
            if (
                isinstance(result.answer, DialRefusal)
                and classify(result.answer).blame is not Blame.DOUBT
            ):
                self.spawn(self.drop_room(result.job))

    async def renew(self) -> None:
        """Keep the leases, and stop listening for answers to calls that have ended meanwhile."""
        held = [*self.preparing, *self.waiting, *self.ready, *self.in_flight]
        if not held:
            return
        await self.db(intents.renew, self.owner, held)
        for pk in await self.db(intents.already_over, list(self.in_flight)):
            if task := self.in_flight.get(pk):
                task.cancel()
