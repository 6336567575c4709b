"""What makes the broker losable: everything a message would have started is found again in the rows.

A worker's heart calls `sweep` every `SWEEP_SECONDS`; so does `manage.py reconcile_calls`. Any number may run at once.
"""

import asyncio
from collections.abc import Awaitable, Callable

from batches.dialing import settlement
from batches.importing.import_job import overdue_imports
from batches.services.batches import start_due_batches
from batches.services.opt_outs import suppress_opt_outs
from telephony.clients.livekit.dial import LiveKit
from telephony.dialing.polling import reconcile_calls
from telephony.services.inbound import follow_inbound
from telephony.services.livekit_events import apply_inbox
from telephony.services.numbers import clean_provisioning
from telephony.services.recordings import follow_recordings
from telephony.services.web_calls import close_unused
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.isolation import alone
from voiceops.core.orm_thread import OrmThread

Look = Callable[[LiveKit, OrmThread], Awaitable[int]]
ROUNDS = 50  # of settling in one sweep: bounded, the next sweep goes on


def sweep() -> None:
    """One round over everything that may be overdue, each step for itself. Raises what a lost database raises."""
    alone(apply_inbox)
    alone(suppress_opt_outs)
    alone(start_due)
    alone(ring_for_imports)
    alone(look, reconcile_calls)
    alone(look, follow_inbound)
    alone(look, follow_recordings)
    alone(look, close_unused)
    alone(settlement.note_conversations)
    alone(settle_all)
    alone(settlement.complete_all)
    alone(clean_provisioning_slowly)  # last: it may have to wait for LiveKit and Twilio


def start_due() -> None:
    start_due_batches(database_now())


def ring_for_imports() -> None:
    for batch_id in overdue_imports():
        task_queue.ring_now(task_queue.IMPORT, batch_id=str(batch_id))


def settle_all() -> None:
    for _ in range(ROUNDS):
        if settlement.settle_calls().calls == 0:
            break


def clean_provisioning_slowly() -> None:
    clean_provisioning(limit=1)


def reconcile() -> int:
    """Look into what is in doubt, silent or missing. Returns how many calls were looked at."""
    return look(reconcile_calls) + look(follow_inbound) + look(follow_recordings) + look(close_unused)


def look(into: Look) -> int:
    async def session() -> int:
        async with OrmThread() as db, LiveKit() as livekit:
            return await into(livekit, db)

    return asyncio.run(session())
