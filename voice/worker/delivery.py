"""What an answer to a report means, for whoever sends it (`docs/reference/api-contract.md §6`)."""

import json
import logging
from dataclasses import dataclass
from enum import Enum
from typing import Any

from voice.journal import Event
from voice.worker.spool import MAX_BATCH_EVENTS, Spool

log = logging.getLogger(__name__)

MIN_REPORT_PAUSE_SECONDS = 0.25
MAX_REPORT_PAUSE_SECONDS = 15.0
ENDED_CALL_ANSWER = b'"Call has ended"'


class Outcome(Enum):
    ACCEPTED = "stored"
    REFUSED = "the call is unknown, or the token is not its own: never again"
    SMALLER = "the batch holds something that is refused: in smaller parts"
    LATER = "the control plane is away: again, after a pause"


@dataclass
class Delivery:
    """The way of one spool to the control plane. `call_is_over`: it says that the call ended."""

    spool: Spool
    call_is_over: bool = False
    is_refused: bool = False
    _limit: int = MAX_BATCH_EVENTS
    _failures: int = 0

    def next_body(self, *extra: Event) -> bytes | None:
        """Return the next report, with events that are not spooled; None when nothing is left."""
        batch = self.spool.next_batch(self._limit)
        self._count = len(batch)
        events = [*batch, *extra]
        return json.dumps({"events": events}, ensure_ascii=False).encode() if events else None

    def handle(self, status: int | None, body: bytes = b"") -> Outcome:
        """Advance by an answer; `status` is None without one."""
        outcome = classify(status)
        if outcome is Outcome.ACCEPTED:
            self.call_is_over = self.call_is_over or ENDED_CALL_ANSWER in body
            self.spool.mark_sent(self._count)
            self._limit, self._failures = MAX_BATCH_EVENTS, 0
        elif outcome is Outcome.REFUSED:
            self.is_refused = True
        elif outcome is Outcome.SMALLER:
            self._shrink(body)
        else:
            self._failures += 1
        return outcome

    def _shrink(self, body: bytes) -> None:
        """Halve the batch; one event alone that is refused is given up, and named."""
        if self._count > 1:
            self._limit = self._count // 2
            return
        if self._count == 1:
            event = self.spool.next_batch(1)[0]
            why = body[:300].decode(errors="replace")
            log.error("An event of the type %s was refused: %s", event["type"], why)
            self.spool.mark_sent(1)
        self._limit = MAX_BATCH_EVENTS

    @property
    def pause_seconds(self) -> float:
        """How long to wait after failures, 0 after none."""
        if not self._failures:
            return 0.0
        return min(MAX_REPORT_PAUSE_SECONDS, MIN_REPORT_PAUSE_SECONDS * 2.0 ** (self._failures - 1))

    _count: int = 0


def classify(status: int | None) -> Outcome:
    """Return what a status means."""
    if status is None:
        return Outcome.LATER
    if 200 <= status < 300:
        return Outcome.ACCEPTED
    if status in (401, 403, 404):
        return Outcome.REFUSED
    return Outcome.SMALLER if status in (400, 413, 422) else Outcome.LATER


def headers(token: str) -> dict[str, Any]:
    """Return what every report carries."""
    return {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
