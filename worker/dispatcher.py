"""A shift: one event loop that, for up to a minute, claims recipients and dials them
(`architecture.md` §1).

Celery hands out shifts, the loop makes the calls. Any number may run at once on any number of
machines: what they share is counted and paced under row locks. A shift that dies loses nothing,
because rows are the truth.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

from django.db import InterfaceError, OperationalError

from batches.dialing import reservation, settlement
from batches.dialing.admission import BatchGate
from batches.models import Batch
from telephony.clients.livekit.session import session
from telephony.dialing import jobs
from telephony.dialing.capacity import adopt_queued
from telephony.dialing.dialer import Dialer
from telephony.models import Call, Stage
from telephony.services.recordings import start_recordings
from voiceops.core import failpoints
from voiceops.core.clock import database_now
from voiceops.core.ids import uuid7
from voiceops.core.orm_thread import OrmThread

logger = logging.getLogger(__name__)

CLAIM_SECONDS = (
    60.0  # seconds of claiming; then a successor takes over while this one hears its calls out
)
CLAIM_EVERY, SETTLEMENT_SECONDS, LOOK_EVERY = 0.1, 0.25, 1.0
DRAIN_SECONDS = 8.0  # seconds that calls in flight get when the process has to stop
MAX_RESERVED = 400  # reserved calls per shift
MAX_IN_FLIGHT = 2000

dispatcher_lock = (
    threading.Lock()
)  # of shifts that claim; those that only hear their calls out do not hold it
stopping = threading.Event()  # set when the process is asked to stop


def run_dispatcher() -> bool:
    """Work one shift in this thread. False when this process has one already. The caller rings for
    the successor.
    """
    if stopping.is_set() or not dispatcher_lock.acquire(blocking=False):
        return False
    release = Once(dispatcher_lock.release)
    try:
        asyncio.run(Dispatcher(hand_over=release).work())
    finally:
        release()
    return True


class Once:
    """Call a function the first time only."""

    def __init__(self, function: Callable[[], None]) -> None:
        self.function: Callable[[], None] | None = function

    def __call__(self) -> None:
        function, self.function = self.function, None
        if function is not None:
            function()


class Dispatcher:
    def __init__(self, *, hand_over: Callable[[], None]) -> None:
        self.owner: UUID = uuid7()
        self.hand_over = hand_over
        self.over = asyncio.Event()
        self.ends_at = time.monotonic() + CLAIM_SECONDS

    async def work(self) -> None:
        """Raises, at its end, what kept it from claiming."""
        trouble: Exception | None = None
        async with (
            OrmThread() as db,
            OrmThread() as intent_db,
            OrmThread() as results,
            session() as livekit,
        ):
            self.db = db
            self.dialler = Dialer(
                livekit=livekit,
                gate=BatchGate(),
                owner=self.owner,
                intent_db=intent_db,
                db=results,
                on_answered=start_recordings,
            )
            async with asyncio.TaskGroup() as group:
                group.create_task(self.dialler.run(self.over))
                group.create_task(self.repeat(self.settle_ended, SETTLEMENT_SECONDS))
                try:
                    await self.claim_while_there_is_work()
                except Exception as error:  # noqa: BLE001 - raised below; those whose phones ring are heard out
                    trouble = error
                self.hand_over()
                await self.drain()
                self.over.set()
            await self.dialler.record_responses()
        if trouble is not None:
            raise trouble

    async def claim_while_there_is_work(self) -> None:
        looked = 0.0
        while not stopping.is_set() and time.monotonic() < self.ends_at:
            try:
                await self.claim()
                if not self.dialler.busy and time.monotonic() - looked > LOOK_EVERY:
                    looked = time.monotonic()
                    if not await self.db(work_is_left):
                        return
            except (OperationalError, InterfaceError) as error:
                logger.warning("The database cannot be reached, claiming nothing: %s", error)
                await asyncio.sleep(0.5)
            await asyncio.sleep(CLAIM_EVERY)

    async def claim(self) -> None:
        most = min(MAX_RESERVED - self.dialler.held, MAX_IN_FLIGHT - len(self.dialler.in_flight))
        if most <= 0:
            return
        ids = await self.db(adopt_queued, self.owner, most)
        for number in await self.db(reservation.numbers_with_work):
            if most > len(ids):
                ids += await self.db(
                    reservation.claim,
                    number,
                    owner=self.owner,
                    most=most - len(ids),
                    unless=stopping.is_set,
                )
        if ids:
            failpoints.hit("after_claim", ids)
            self.dialler.add(await self.db(jobs.load_jobs, ids))

    async def settle_ended(self) -> None:
        await self.db(settlement.mark_in_call)
        while (await self.db(settlement.settle_calls)).calls == settlement.CHUNK:
            pass

    async def drain(self) -> None:
        """Finish what was begun: everything when the term is over, for a few seconds when the
        process must stop.
        """
        ends_at: float | None = None
        while self.dialler.busy:
            if stopping.is_set() and ends_at is None:
                ends_at = time.monotonic() + DRAIN_SECONDS
                await self.dialler.release()
            if ends_at is not None and time.monotonic() > ends_at:
                for task in list(self.dialler.in_flight.values()):
                    # Their answers are lost, not their calls: they are in doubt until reconciled.
                    task.cancel()
                return
            await asyncio.sleep(0.05)

    async def repeat(self, step: Callable[[], Awaitable[None]], every: float) -> None:
        while not self.over.is_set():
            try:
                await step()
            except (OperationalError, InterfaceError) as error:
                logger.warning("The database cannot be reached, trying again: %s", error)
            except Exception:  # the sweep does the same; dialling need not end for it
                logger.exception("A step beside dialling failed, it is tried again")
                await asyncio.sleep(LOOK_EVERY)
            await asyncio.sleep(every)


def work_is_left() -> bool:
    """Whether a shift is worth its while: somebody is due, a call waits to be dialled, or one of a
    batch's is up.
    """
    now = database_now()
    if Call.unscoped.filter(stage=Stage.RESERVED, lease_owner=None, direction="outbound").exists():
        return True
    if reservation.batches_with_work(now).exists():
        return True
    if settlement.unsettled().exists():
        return True
    running = Batch.unscoped.filter(status=Batch.Status.RUNNING).values("pk")
    return Call.unscoped.open().filter(batch_id__in=running).exists()
