"""How to reach what the installation depends on: database, broker, LiveKit, and the storage for
recordings.

The readiness probe and the doctor share these functions, so that both mean the same thing by
"reachable". Each function returns when its dependency responds, and raises UnreachableError when
it does not.
"""

import asyncio
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

from celery import current_app
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from kombu.exceptions import OperationalError

from telephony.clients import recording_storage
from telephony.clients.livekit.rooms import list_rooms
from telephony.clients.livekit.session import LiveKit, run_in_session
from voiceops.core.errors import DomainError, ProviderError
from voiceops.core.lazy_module import LazyModule

if TYPE_CHECKING:
    import requests
else:
    requests = LazyModule("requests")

PROBE_ROOM = "voiceops-readiness"  # never made
STORAGE_TIMEOUT_SECONDS = 5
STORAGE_PROBE = b"VoiceOps doctor"


class UnreachableError(DomainError):
    """A dependency did not respond. The message is its cause, without addresses or credentials."""


class UnsupportedBrokerError(UnreachableError):
    """The scheme of CELERY_BROKER_URL is unknown, or its client library is not installed."""


def reach_database() -> None:
    """Run the smallest query there is. Raises UnreachableError."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        raise UnreachableError(type(error).__name__) from error


def count_missing_migrations() -> int:
    """How many migrations the database has not applied yet. Raises UnreachableError."""
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        raise UnreachableError(type(error).__name__) from error
    return len(plan)


def broker_scheme() -> str:
    return urlsplit(settings.CELERY_BROKER_URL).scheme


def reach_broker(*, timeout_seconds: int) -> None:
    """Open a connection to the broker and close it again.

    Raises UnreachableError, and UnsupportedBrokerError.
    """
    try:
        with current_app.connection_for_write(connect_timeout=timeout_seconds) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, timeout=timeout_seconds)
    except (KeyError, NameError, ImportError) as error:
        # kombu knows more transports than have their client library installed here.
        raise UnsupportedBrokerError(f"{broker_scheme()} is not a supported broker") from error
    except (OperationalError, OSError) as error:
        raise UnreachableError(type(error).__name__) from error


def is_file_broker_writable() -> bool:
    return os.access(settings.DATA_DIR / "broker" / "queue", os.W_OK)


def reach_livekit(*, timeout_seconds: float) -> None:
    """Ask LiveKit for a room that does not exist, which takes the server and our API key.

    Raises UnreachableError.
    """

    async def ask(livekit: LiveKit) -> None:
        async with asyncio.timeout(timeout_seconds):
            await list_rooms(livekit, [PROBE_ROOM])

    try:
        run_in_session(ask)
    except (ProviderError, TimeoutError) as error:
        raise UnreachableError(str(error) or type(error).__name__) from error


def write_and_read_storage() -> bool:
    """Write a probe to the recordings' storage, read it back as a browser would, and delete it.

    Returns whether the content read was the content written. Raises UnreachableError.
    """
    # A name of its own for each run: two doctors at once must not delete each other's probe.
    key = f"doctor-{uuid4()}"
    try:
        with recording_storage.storage_errors():
            saved_key = recording_storage.recordings_storage().save(key, ContentFile(STORAGE_PROBE))
        content = _read_stored(saved_key)
        recording_storage.delete(saved_key)
    except ProviderError as error:
        raise UnreachableError(str(error).rstrip(".")) from error
    except (OSError, ValueError) as error:
        # boto3 raises ValueError for an endpoint that is not a URL.
        raise UnreachableError(type(error).__name__) from error
    return content == STORAGE_PROBE


def _read_stored(key: str) -> bytes:
    """From S3 through a signed link, which is how recordings are played."""
    if not recording_storage.uses_s3():
        with recording_storage.recordings_storage().open(key) as file:
            return bytes(file.read())
    link, _ = recording_storage.create_link(key, recording_id=uuid4(), filename="doctor")
    return session_for(link).get(link, timeout=STORAGE_TIMEOUT_SECONDS).content


def session_for(url: str) -> "requests.Session":
    """An HTTP session that ignores proxy variables for this machine's own addresses."""
    session = requests.Session()
    # A proxy that the environment names cannot reach this machine's loopback addresses.
    session.trust_env = not is_loopback(url)
    return session


def is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
