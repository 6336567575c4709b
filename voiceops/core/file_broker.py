"""Celery's file broker, made safe: a reader finds a whole file or none.

kombu's own transport creates a file and then fills it. A worker that reads in between, or after the
sender was killed in between, finds nothing, cannot parse it as JSON, and exits ("Unrecoverable
error: JSONDecodeError"). Here a file is written under a name that no reader looks for, and then
renamed.
"""

import fcntl
import os
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps

from voiceops.core.env import ensure_dir

POLLING_SECONDS = 0.1  # between two checks of the directory; they delay each task
# So many wait when no worker takes them. The work of the others is found in rows all the same.
MAX_WAITING_MESSAGES = 10_000


def write_atomically(target: Path, text: str) -> None:
    """Write the file so that no reader sees a part of it. Raises OSError."""
    unfinished = target.with_name(f".{uuid4().hex}.unfinished")
    try:
        unfinished.write_text(text)
        # rename(2) is atomic within a file system, so the unfinished file is in the same folder.
        os.replace(unfinished, target)
    except OSError:
        # On a full disk every message would leave a file behind.
        unfinished.unlink(missing_ok=True)
        raise


class Channel(filesystem.Channel):
    """kombu's channel with atomic writes."""

    # Of two bases.
    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]
        # The name is kombu's: the oldest message sorts first.
        self._require_place()
        name = f"{round(monotonic() * 1000)}_{uuid4()}.{queue}.msg"
        try:
            write_atomically(Path(self.data_folder_out) / name, dumps(payload))
        except OSError as error:
            raise ChannelError(f"Cannot add a message to {self.data_folder_out}") from error

    def _require_place(self) -> None:
        """Raises ChannelError when nobody takes the messages, which only wake workers up."""
        with os.scandir(self.data_folder_out) as files:
            waiting = sum(1 for _ in islice(files, MAX_WAITING_MESSAGES))
        if waiting >= MAX_WAITING_MESSAGES:
            raise ChannelError(f"{waiting} messages wait in {self.data_folder_out}")

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str | None, queue: str) -> None:
        binding = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        try:
            self.control_folder.mkdir(exist_ok=True)
            with (self.control_folder / ".lock").open("w") as lock:
                # Web server and worker bind when they start; one would overwrite the other's table.
                fcntl.flock(lock, fcntl.LOCK_EX)
                bindings = self.get_table(exchange)
                if binding not in bindings:
                    file = self.control_folder / f"{exchange}.exchange"
                    write_atomically(file, dumps([binding, *bindings]))
        except OSError as error:
            raise ChannelError(f"Cannot bind {queue} in {self.control_folder}") from error


class Transport(filesystem.Transport):
    """kombu's `filesystem://` transport with atomic writes."""

    Channel = Channel


def transport_options(directory: Path) -> dict[str, Any]:
    """Create the broker's directories and return Celery's options for them.

    Raises ImproperlyConfigured.
    """
    queue = str(ensure_dir(directory / "queue"))
    return {
        "data_folder_in": queue,
        "data_folder_out": queue,
        "processed_folder": str(ensure_dir(directory / "done")),
        "control_folder": str(ensure_dir(directory / "control")),
        "store_processed": False,
        "polling_interval": POLLING_SECONDS,
    }


def register_transport() -> None:
    """Use this transport for every `filesystem://` URL in this process."""
    TRANSPORT_ALIASES["filesystem"] = "voiceops.core.file_broker:Transport"
