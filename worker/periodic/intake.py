"""Applies LiveKit's webhooks, which the web servers only store.

Any number of workers do so at once. The sweep does it, too, so that it decides on calls with all
that is known of them.
"""

from telephony.services import inbox

INTAKE_INTERVAL_SECONDS = 0.1
MAX_CHUNKS_PER_ROUND = 100  # then the thread sees whether it is to stop


def apply_new_events() -> None:
    """Do one round: chunk after chunk, until nothing is left that another process has not claimed.

    Raises OperationalError or InterfaceError when the database is unreachable.
    """
    for _ in range(MAX_CHUNKS_PER_ROUND):
        if inbox.apply_pending_events() < inbox.CHUNK_EVENTS:
            return
