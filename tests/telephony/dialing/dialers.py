"""Steps that tests of the dialer share."""

import asyncio
from typing import Any

from telephony.dialing.dialer import Dialer
from telephony.dialing.jobs import Job
from telephony.models import Stage
from tests.telephony.dialing.conftest import stored

ENDED_UNSENT = (Stage.ENDED, False, None)


async def settle(dialer: Dialer) -> None:
    """Let everything that the dialer has started come to its end."""
    async with asyncio.timeout(10):
        while dialer.tasks:
            await asyncio.wait(dialer.tasks)


def make_ready(dialer: Dialer, *jobs: Job) -> None:
    for job in jobs:
        dialer.ready[job.call.pk] = job


def end_of(job: Job) -> tuple[str, bool, Any]:
    call = stored(job)
    return call.stage, call.counts, call.dialed_at
