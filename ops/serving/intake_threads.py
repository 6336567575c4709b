"""The threads of a web process that answer machines: LiveKit's webhooks and the agents' reports.

Those that have arrived at the same time are stored together, before they are answered one after
another. With a thread for each, a process spends more on changing from one to the next, and on
waiting for the database, than on the requests (docs/decisions/0020-intake-together.md).
"""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from django.db import close_old_connections

from telephony.services.intake import store_together
from telephony.views.foreseen import Foreseen
from telephony.views.foresight import MACHINE_REQUEST, MAX_FORESEEN_BYTES, foresee
from voiceops.db.compiled_writes import MAX_KEPT_ROWS

logger = logging.getLogger(__name__)

MAX_TOGETHER = MAX_KEPT_ROWS  # no statement is kept for more of them

Arrived = tuple[Any, bytes]  # a connection, and what it has received
Stored = tuple[Any, bytes, Foreseen | None]  # the same, and what became of the request


class IntakeThreads:
    """Takes connections with a request that can be foreseen.

    `answer` answers one by what it has received and what became of it, and returns whether the
    connection is kept; None when it has done nothing. `finish` gets the answered of a round with
    that, `decline` one that takes its turn, with what is known of it.
    """

    def __init__(
        self,
        answer: Callable[[Any, bytes, Foreseen], bool | None],
        finish: Callable[[Sequence[tuple[Any, bool]]], None],
        decline: Callable[[Any, Foreseen | None], None],
    ) -> None:
        self._answer, self._finish, self._decline = answer, finish, decline
        self._offered: list[Arrived] = []  # of the main thread alone
        self._waiting: SimpleQueue[Sequence[Arrived]] = SimpleQueue()
        self._stored: SimpleQueue[Sequence[Stored]] = SimpleQueue()

    def start(self) -> None:
        """Start the two threads. They end with the process: what is not answered is repeated.

        While one waits for the database, the other answers those of the round before. What arrives
        meanwhile is the next round, the larger the longer the database takes.
        """
        for work in (self._store_rounds, self._answer_rounds):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()

    def offer(self, connection: Any, received: bytes) -> bool:
        """Take a connection if its next request, of which this was received, may be a machine's.

        It is stored after `start_round`.
        """
        if len(received) > MAX_FORESEEN_BYTES or MACHINE_REQUEST.match(received) is None:
            return False
        # What was read ahead of the last request is no longer on the socket.
        if connection.parser is not None and connection.parser.unreader.buf.getvalue():
            return False
        self._offered.append((connection, received))
        return True

    def start_round(self) -> None:
        """Store and answer those that were taken. One by one they would be rounds of one."""
        if self._offered:
            self._waiting.put(self._offered)
            self._offered = []

    def _store_rounds(self) -> None:
        while True:
            arrived = list(self._waiting.get())
            with suppress(Empty):
                while len(arrived) < MAX_TOGETHER:
                    arrived += self._waiting.get_nowait()
            for first in range(0, len(arrived), MAX_TOGETHER):
                self._stored.put(self.store_round(arrived[first : first + MAX_TOGETHER]))

    def _answer_rounds(self) -> None:
        while True:
            self.answer_round(self._stored.get())

    def store_round(self, arrived: Sequence[Arrived]) -> list[Stored]:
        """Store together what the connections ask to store."""
        foreseen = self._store([sent for _, sent in arrived])
        return [(*each, known) for each, known in zip(arrived, foreseen, strict=True)]

    def answer_round(self, stored: Sequence[Stored]) -> None:
        """Answer what is stored, and decline the rest."""
        answered = []
        for connection, sent, foreseen in stored:
            is_kept = self._answer(connection, sent, foreseen) if foreseen is not None else None
            if is_kept is None:
                self._decline(connection, foreseen)
            else:
                answered.append((connection, is_kept))
        self._finish(answered)

    def _store(self, requests: Sequence[bytes]) -> list[Foreseen | None]:
        """Return what became of each request; None for those that are not stored."""
        try:
            foreseen = [foresee(each) for each in requests]
            known = [each for each in foreseen if each is not None]
            # As before each request: one that the database has closed is replaced.
            close_old_connections()
            results = store_together([each.item for each in known])
        except Exception:
            logger.exception("%s requests take their turn", len(requests))
            return [None] * len(requests)
        for each, result in zip(known, results, strict=True):
            each.goes_on = result
        return [each if each and each.goes_on is not None else None for each in foreseen]
