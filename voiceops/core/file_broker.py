"""Celery's broker of files, without its gaps: whoever looks finds a whole file or none.

kombu's own makes a file first and fills it afterwards. A worker that looks in between, or after the
sender was killed in between, reads nothing, cannot make JSON of it, and ends ("Unrecoverable error:
JSONDecodeError"). Here a file is written under a name nobody looks for, and then renamed.
"""

import fcntl
import os
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps


def write_atomically(target: Path, text: str) -> None:
    """Raises OSError."""
    unfinished = target.with_name(f".{uuid4().hex}.unfinished")
    unfinished.write_text(text)
    os.replace(unfinished, target)


class Channel(filesystem.Channel):
    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]  # of two bases
        # As kombu names them: the oldest sorts first.
        name = f"{round(monotonic() * 1000)}_{uuid4()}.{queue}.msg"
        try:
            write_atomically(Path(self.data_folder_out) / name, dumps(payload))
        except OSError as error:
            raise ChannelError(f"Cannot add a message to {self.data_folder_out}") from error

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str | None, queue: str) -> None:
        bound = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        try:
            self.control_folder.mkdir(exist_ok=True)
            with (self.control_folder / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                queues = self.get_table(exchange)
                if bound not in queues:
                    write_atomically(
                        self.control_folder / f"{exchange}.exchange", dumps([bound, *queues])
                    )
        except OSError as error:
            raise ChannelError(f"Cannot bind {queue} in {self.control_folder}") from error


class Transport(filesystem.Transport):
    Channel = Channel


def register_transport() -> None:
    """Have every `filesystem://` of this process be this one."""
    TRANSPORT_ALIASES["filesystem"] = "voiceops.core.file_broker:Transport"
