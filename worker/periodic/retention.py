"""Deletes what has been kept long enough: hourly in every worker, at once with `manage.py prune`.

Any number may run at the same time, because each row is deleted by one of them only.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from importlib import import_module

from django.conf import settings

from accounts.services import retention
from telephony.services.inbox import prune_webhook_events
from telephony.services.recording_files import prune_recordings
from telephony.services.transcripts import prune_transcripts
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError
from voiceops.core.isolation import DATABASE_LOST_ERRORS
from webhooks.delivery import prune_events

logger = logging.getLogger(__name__)

# Evidence for questions about a call. LiveKit stops repeating an event after a few minutes.
WEBHOOK_EVENTS_KEPT = timedelta(days=7)
FIRST_DELAY_SECONDS = 60.0  # a worker that has just started has more urgent work
INTERVAL_SECONDS = 3600.0


def prune_all() -> Iterator[tuple[str, int]]:
    """Delete every kind of expired row and file; yields each kind and how many were deleted.

    An error in one kind does not stop the others; the first is raised at the end. Raises
    ProviderError when recordings could not be deleted, and OperationalError or InterfaceError at
    once when the database is unreachable.
    """
    now = database_now()
    first_error: Exception | None = None
    for prune in PRUNERS:
        try:
            yield from prune(now).items()
        # The other kinds could not be deleted either.
        except DATABASE_LOST_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001 - raised below
            first_error = first_error or error
    if first_error is not None:
        raise first_error


def prune_and_log() -> None:
    """Delete every kind of expired row and file, as a round of the worker.

    Raises OperationalError or InterfaceError when the database is unreachable.
    """
    try:
        deleted = {kind: count for kind, count in prune_all() if count}
        if deleted:
            logger.info("Deleted: %s", deleted)
    except ProviderError as error:
        logger.warning("Some recordings were not deleted, the next hour tries again: %s", error)


def prune_browser_sessions() -> dict[str, int]:
    """Delete expired sessions of the admin. Django does not report how many."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    return {}


PRUNERS: tuple[Callable[[datetime], dict[str, int]], ...] = (
    lambda now: retention.prune(now=now),
    lambda _: {"webhooks received": prune_webhook_events(older_than=WEBHOOK_EVENTS_KEPT)},
    lambda now: {"webhooks sent": prune_events(now)},
    lambda _: prune_browser_sessions(),
    lambda _: {"transcripts": prune_transcripts()},
    lambda _: {"recordings": prune_recordings()},
)
