"""Which workers can rehearse: those that have the voice worker's program beside them.

A worker without it leaves rehearsals to them. Where none was seen lately it claims them, too, so
that each says what is missing instead of waiting for ever.
"""

import socket
from datetime import timedelta

from agents.models import RehearsingWorker
from agents.rehearsing import voice_program
from voiceops.core.clock import database_now

REPORT_INTERVAL = timedelta(minutes=1)
SEEN_AGE = timedelta(minutes=5)


def report_rehearsing() -> None:
    """Record that this worker can rehearse, if it can, and forget those that are gone."""
    if not voice_program.VOICE_PYTHON.exists():
        return
    name, now = socket.gethostname(), database_now()
    workers = RehearsingWorker.objects
    if not workers.filter(name=name, seen_at__gt=now - REPORT_INTERVAL).exists():
        workers.update_or_create(name=name, defaults={"seen_at": now})
        workers.filter(seen_at__lt=now - SEEN_AGE).delete()


def is_left_to_others() -> bool:
    """Whether this worker cannot rehearse, and another one can."""
    if voice_program.VOICE_PYTHON.exists():
        return False
    return RehearsingWorker.objects.filter(seen_at__gt=database_now() - SEEN_AGE).exists()
