"""Ends calls whose process is gone, and delivers what they had not reported yet."""

import logging
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from voice.journal import timestamp
from voice.settings import Settings
from voice.worker.delivery import Delivery, Outcome, headers
from voice.worker.livekit_requests import REQUEST_TIMEOUT_SECONDS, delete_room
from voice.worker.spool import Spool, spooled

log = logging.getLogger(__name__)

MAX_SPOOL_AGE_SECONDS = 24 * 3600.0
CRASHED = "agent_crashed"


@dataclass
class Reaper:
    """`reap` is called every second, by one process for a spool."""

    settings: Settings
    delete: Callable[[Settings, str], bool] = delete_room
    _due: dict[Path, float] = field(default_factory=dict)
    _pauses: dict[Path, float] = field(default_factory=dict)

    def reap(self) -> int:
        """Go through the spool once. Returns how many files are left that nobody writes to."""
        remaining = 0
        for path in spooled(self.settings.spool):
            if self._due.get(path, 0.0) > time.monotonic():
                remaining += 1
                continue
            spool = Spool.claim(path)
            if spool is not None and not self._finish(spool):
                remaining += 1
        return remaining

    def _finish(self, spool: Spool) -> bool:
        """End the call if its process had not, and deliver. Returns whether that is done."""
        if not spool.has_ended:
            log.error("The process of the call %s has died", spool.header.call_id)
            if not self.delete(self.settings, spool.header.room):
                log.error("The room %s could not be deleted", spool.header.room)
            event = {"id": secrets.token_hex(16), "type": "ended", "at": timestamp()}
            spool.append({**event, "reason": CRASHED})
        if self._deliver(spool) or _age(spool.path) > MAX_SPOOL_AGE_SECONDS:
            self._due.pop(spool.path, None)
            self._pauses.pop(spool.path, None)
            spool.remove()
            return True
        spool.close()
        return False

    def _deliver(self, spool: Spool) -> bool:
        """Send what is left. Returns whether nothing more is to be sent."""
        delivery = Delivery(spool)
        while not spool.is_delivered and not delivery.is_refused and spool.header.report_url:
            body = delivery.next_body()
            if body is None or delivery.handle(*_post(spool, body)) is Outcome.LATER:
                # Again later, after a pause that grows.
                pause = min(15.0, self._pauses.get(spool.path, 0.5) * 2)
                self._pauses[spool.path] = pause
                self._due[spool.path] = time.monotonic() + pause
                return False
        return True


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _post(spool: Spool, body: bytes) -> tuple[int | None, bytes]:
    request = urllib.request.Request(  # noqa: S310  # the control plane's own address
        spool.header.report_url, data=body, headers=headers(spool.header.report_token)
    )
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_SECONDS) as response:  # noqa: S310
            return response.status, response.read(4096)
    except urllib.error.HTTPError as error:
        return error.code, error.read(4096)
    except OSError:
        return None, b""
