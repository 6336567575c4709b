"""What makes the broker losable: everything a message would have started is found again in the rows.

A worker's heart calls `sweep` every `SWEEP_SECONDS`; so does `manage.py reconcile_calls`. Any number may run at once.
"""

import asyncio

from batches import settle
from batches.importing.store import overdue_imports
from batches.services.batches import start_due_batches
from batches.suppressions.opt_outs import suppress_opt_outs
from telephony.clients.livekit import LiveKit
from telephony.dialing.watch import reconcile_calls
from telephony.services.inbound import follow_inbound
from telephony.services.inbox import apply_inbox
from telephony.services.numbers import clean_provisioning
from telephony.services.recordings import follow_recordings
from telephony.services.web_calls import close_unused
from voiceops import doorbell
from voiceops.clock import database_now
from voiceops.ormthread import OrmThread

ROUNDS = 50  # of settling in one sweep: bounded, the next sweep goes on


def sweep() -> None:
    """One round over everything that may be overdue. Raises what the database raises."""
    apply_inbox()
    suppress_opt_outs()
    start_due_batches(database_now())
    for batch_id in overdue_imports():
        doorbell.ring_now(doorbell.IMPORT, batch_id=str(batch_id))
    asyncio.run(reconcile())
    close_unused()
    settle.note_conversations()
    for _ in range(ROUNDS):
        if settle.settle_calls().calls == 0:
            break
    settle.complete_all()
    clean_provisioning(limit=1)  # last, and few: it may have to wait for LiveKit and Twilio


async def reconcile() -> int:
    async with OrmThread() as db, LiveKit() as livekit:
        looked_at = await reconcile_calls(db)
        return looked_at + await follow_inbound(livekit, db) + await follow_recordings(livekit, db)
