"""The dispatcher: an event loop that reserves recipients and dials them for up to a minute.

Celery starts dispatchers, one at a time per process; the event loop makes the calls. Any number may
run on any number of machines, because what they share is counted and paced under row locks. A
dispatcher that dies loses nothing: its work stands in rows (docs/architecture.md §7).
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

from django.db import InterfaceError, OperationalError

from batches.dialing import reservation, settlement
from batches.dialing.admission import BatchGate
from batches.models import Batch
from telephony.clients.livekit.session import session
from telephony.dialing import jobs
from telephony.dialing.capacity import adopt_queued
from telephony.dialing.dialer import Dialer
from telephony.models import Call, Direction, Stage
from telephony.services.recordings import start_recordings
from voiceops.core import failpoints
from voiceops.core.clock import database_now
from voiceops.core.ids import uuid7
from voiceops.core.isolation import SetAside, run_isolated
from voiceops.core.orm_thread import OrmThread

logger = logging.getLogger(__name__)

CLAIM_SECONDS = 60.0  # of reserving; then a successor starts while this one finishes its calls
CLAIM_INTERVAL_SECONDS = 0.1
SETTLEMENT_INTERVAL_SECONDS = 0.25
IDLE_CHECK_SECONDS = 1.0
DATABASE_RETRY_SECONDS = 0.5
ERROR_RETRY_SECONDS = 1.0
DRAIN_SECONDS = 8.0  # for calls in flight when the process has to stop
DRAIN_CHECK_SECONDS = 0.05
MAX_RESERVED_CALLS = 400  # per dispatcher
MAX_CALLS_IN_FLIGHT = 2000

# Held while a dispatcher of this process reserves calls, not while it only finishes them.
dispatcher_lock = threading.Lock()
unclaimable = SetAside()  # numbers whose recipients could not be reserved
stopping = threading.Event()  # set when the process is asked to stop


def run_dispatcher() -> bool:
    """Reserve and dial in this thread until there is no work or `CLAIM_SECONDS` have passed.

    Returns False at once when this process has a dispatcher already or is stopping. The caller
    starts the successor.
    """
    if stopping.is_set() or not dispatcher_lock.acquire(blocking=False):
        return False
    release_slot = Once(dispatcher_lock.release)
    try:
        asyncio.run(Dispatcher(release_slot=release_slot).run())
    finally:
        release_slot()
    return True


class Once:
    """Calls a function the first time only."""

    def __init__(self, function: Callable[[], None]) -> None:
        self.function: Callable[[], None] | None = function

    def __call__(self) -> None:
        function, self.function = self.function, None
        if function is not None:
            function()


class Dispatcher:
    """One run: reserve and dial, then release the process's slot and drain the calls in flight."""

    def __init__(self, *, release_slot: Callable[[], None]) -> None:
        self.owner: UUID = uuid7()
        self.release_slot = release_slot
        self.drained = asyncio.Event()
        self.ends_at = time.monotonic() + CLAIM_SECONDS

    async def run(self) -> None:
        """Run to the end of the last call. Then raises the error that ended reserving, if any."""
        async with (
            # A connection each: an intent waits neither for results nor for a claim.
            OrmThread() as db,
            OrmThread() as intent_db,
            OrmThread() as results_db,
            session() as livekit,
        ):
            self.db = db
            self.dialer = Dialer(
                livekit=livekit,
                gate=BatchGate(),
                owner=self.owner,
                intent_db=intent_db,
                db=results_db,
                on_answered=start_recordings,
            )
            claim_error = await self.dial()
        if claim_error is not None:
            raise claim_error

    async def dial(self) -> Exception | None:
        """Reserve and dial, then drain; returns the error that ended reserving, if any."""
        claim_error: Exception | None = None
        async with asyncio.TaskGroup() as group:
            group.create_task(self.dialer.run(self.drained))
            group.create_task(self.repeat(self.settle_ended, SETTLEMENT_INTERVAL_SECONDS))
            try:
                await self.claim_while_there_is_work()
            except Exception as error:  # noqa: BLE001 - raised after the drain
                claim_error = error
            # A successor may reserve calls while this dispatcher waits for its own.
            self.release_slot()
            await self.drain()
            self.drained.set()
        await self.dialer.record_responses()
        return claim_error

    async def claim_while_there_is_work(self) -> None:
        """Reserve calls until the time is up, the process stops or no work is left."""
        checked_at = 0.0
        while not stopping.is_set() and time.monotonic() < self.ends_at:
            try:
                await self.claim()
                if not self.dialer.busy and time.monotonic() - checked_at > IDLE_CHECK_SECONDS:
                    checked_at = time.monotonic()
                    if not await self.db(has_work):
                        return
            except (OperationalError, InterfaceError) as error:
                logger.warning("The database cannot be reached, reserving nothing: %s", error)
                await asyncio.sleep(DATABASE_RETRY_SECONDS)
            await asyncio.sleep(CLAIM_INTERVAL_SECONDS)

    async def claim(self) -> None:
        """Adopt queued calls and reserve due recipients, up to this dispatcher's limits."""
        capacity = min(
            MAX_RESERVED_CALLS - self.dialer.held,
            MAX_CALLS_IN_FLIGHT - len(self.dialer.in_flight),
        )
        if capacity <= 0:
            return

        # Calls that a client has ordered one by one come before those of batches.
        call_ids = await self.db(adopt_queued, self.owner, capacity)
        for number_id in await self.db(reservation.numbers_with_work):
            if capacity > len(call_ids) and number_id not in unclaimable.waiting():
                call_ids += await self.db(
                    claim_isolated, number_id, self.owner, capacity - len(call_ids)
                )
        if call_ids:
            failpoints.hit("after_claim", call_ids)
            self.dialer.add(await self.db(jobs.load_jobs, call_ids))

    async def settle_ended(self) -> None:
        """Apply answered and ended calls to their recipients."""
        await self.db(run_isolated, settlement.mark_in_call)
        while (await self.db(settlement.settle_calls)).calls == settlement.SETTLEMENT_CHUNK_CALLS:
            pass

    async def drain(self) -> None:
        """Wait for the calls in flight to end; when the process is stopping, a few seconds only."""
        ends_at: float | None = None
        while self.dialer.busy:
            if stopping.is_set() and ends_at is None:
                ends_at = time.monotonic() + DRAIN_SECONDS
                # What was not dialed yet goes back, for another process to dial.
                await self.dialer.release()
            if ends_at is not None and time.monotonic() > ends_at:
                # Their answers are lost, not their calls: they stay in doubt until reconciled.
                for task in list(self.dialer.in_flight.values()):
                    task.cancel()
                return
            await asyncio.sleep(DRAIN_CHECK_SECONDS)

    async def repeat(self, step: Callable[[], Awaitable[None]], interval_seconds: float) -> None:
        """Call `step` every `interval_seconds` until the calls are drained; log its errors."""
        while not self.drained.is_set():
            try:
                await step()
            except (OperationalError, InterfaceError) as error:
                logger.warning("The database cannot be reached, trying again: %s", error)
            except Exception:  # the sweep does the same work, so dialing need not stop for it
                logger.exception("A step beside dialing failed and is tried again")
                await asyncio.sleep(ERROR_RETRY_SECONDS)
            await asyncio.sleep(interval_seconds)


def claim_isolated(number_id: UUID, owner: UUID, max_calls: int) -> list[UUID]:
    """Reserve calls on one number; one that fails unexpectedly is set aside, the others go on.

    Raises OperationalError or InterfaceError when the database is unreachable.
    """
    claim = partial(
        reservation.claim_recipients,
        number_id,
        owner=owner,
        max_calls=max_calls,
        unless=stopping.is_set,
    )
    return unclaimable.run(claim, number_id) or []


def has_work() -> bool:
    """Whether a dispatcher has anything to do: recipients that are due, calls to dial or to settle,
    or open calls of a running batch.
    """
    now = database_now()
    queued = Call.unscoped.filter(
        stage=Stage.RESERVED, lease_owner=None, direction=Direction.OUTBOUND
    )
    if queued.exists() or reservation.batches_with_work(now).exists():
        return True
    if settlement.unsettled().exists():
        return True

    # While a call is up, its end may free a place or make a retry due.
    running = Batch.unscoped.filter(status=Batch.Status.RUNNING).values("pk")
    return Call.unscoped.open().filter(batch_id__in=running).exists()
