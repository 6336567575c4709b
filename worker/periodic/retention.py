"""Forgetting what has been kept long enough. A thread in every worker does it each hour, `manage.py
prune` at once.

Any number may do it at the same time: each row is deleted by whoever comes first.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from celery.signals import worker_init, worker_shutting_down
from django.conf import settings
from django.db import OperationalError, close_old_connections, connections

from accounts.services import retention
from telephony.services.livekit_events import prune_webhook_events
from telephony.services.recordings import prune_recordings
from telephony.services.transcripts import prune_transcripts
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError
from voiceops.core.isolation import DATABASE_LOST_ERRORS
from webhooks.delivery import prune_events

logger = logging.getLogger(__name__)
INBOX_KEPT = timedelta(
    days=7
)  # evidence, should a call be asked about; LiveKit repeats nothing after minutes
FIRST_SECONDS = 60.0  # a worker that has just started has more urgent things to do
HOUR_SECONDS = 3600.0


def clean_up() -> Iterator[tuple[str, int]]:
    """What was forgotten, and how many of it, kind by kind.

    Raises at its end the first trouble there was (ProviderError when recordings remain): the other
    kinds have no part in it. A lost database ends it at once.
    """
    now = database_now()
    trouble: Exception | None = None
    for forget in KINDS:
        try:
            yield from forget(now).items()
        except DATABASE_LOST_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001 - raised below
            trouble = trouble or error
    if trouble is not None:
        raise trouble


def forget_sessions() -> dict[str, int]:
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    return {}


KINDS: tuple[Callable[[datetime], dict[str, int]], ...] = (
    lambda now: retention.prune(now=now),
    lambda _: {"webhooks received": prune_webhook_events(older_than=INBOX_KEPT)},
    lambda now: {"webhooks sent": prune_events(now)},
    lambda _: forget_sessions(),
    lambda _: {"transcripts": prune_transcripts()},
    lambda _: {"recordings": prune_recordings()},
)


class RetentionThread(threading.Thread):
    def __init__(self, clean: Callable[[], Iterator[tuple[str, int]]] = clean_up) -> None:
        super().__init__(name="housekeeper", daemon=True)
        self.clean = clean
        self.stopped = threading.Event()

    def run(self) -> None:
        pause = FIRST_SECONDS
        while not self.stopped.wait(pause):
            pause = HOUR_SECONDS
            self.run_once()
        connections.close_all()

    def run_once(self) -> None:
        try:
            close_old_connections()
            if done := {kind: count for kind, count in self.clean() if count}:
                logger.info("Forgotten: %s", done)
        except (ProviderError, OperationalError) as error:
            logger.warning("Some remains to be forgotten, in the next hour: %s", error)
        except Exception:  # the other kinds, and the next hour, are none the worse for it
            logger.exception("Housekeeping failed")


retention_thread = RetentionThread()


@worker_init.connect
def start(**_: Any) -> None:
    if not retention_thread.is_alive():
        retention_thread.start()


@worker_shutting_down.connect
def stop(**_: Any) -> None:
    retention_thread.stopped.set()
