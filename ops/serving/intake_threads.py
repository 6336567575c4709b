"""The threads of a web process that answer machines: LiveKit's webhooks and the agents' reports.

Those that have arrived at the same time are stored together, before they are answered one after
another. With a thread for each, a process spends more on changing from one to the next, and on
waiting for the database, than on the requests (docs/decisions/0020-intake-together.md).
"""

import logging
import socket
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any

from django.db import close_old_connections

from telephony.services.intake import store_together
from telephony.views.foreseen import Foreseen, foreseeing
from telephony.views.foresight import MACHINE_REQUEST, MAX_FORESEEN_BYTES, foresee
from voiceops.db.compiled_writes import MAX_KEPT_ROWS

logger = logging.getLogger(__name__)

# One stores while the other reads or answers (docs/decisions/0018-few-at-once.md).
INTAKE_THREADS = 2
MAX_TOGETHER = MAX_KEPT_ROWS  # no statement is kept for more of them

Arrived = tuple[Any, bytes]  # a connection, and what it has received


class IntakeThreads:
    """Takes connections with a request that can be foreseen. `answer` handles the request of one,
    what it has received and what became of it; `finish` gets those of a round with what `answer`
    returned, `decline` one that takes its turn.
    """

    def __init__(
        self,
        answer: Callable[[Any, bytes, Foreseen], bool],
        finish: Callable[[Sequence[tuple[Any, bool]]], None],
        decline: Callable[[Any], None],
    ) -> None:
        self._answer, self._finish, self._decline = answer, finish, decline
        self._waiting: SimpleQueue[Arrived] = SimpleQueue()

    def start(self) -> None:
        """Start the threads. They end with the process: what is not answered is repeated."""
        for number in range(INTAKE_THREADS):
            threading.Thread(target=self._run, name=f"intake-{number}", daemon=True).start()

    def offer(self, connection: Any) -> bool:
        """Take a connection whose next request may be a machine's."""
        # What was read ahead of the last request is no longer on the socket.
        if connection.parser is not None and connection.parser.unreader.buf.getvalue():
            return False
        sent = peek(connection.sock)
        if MACHINE_REQUEST.match(sent) is None:
            return False
        self._waiting.put((connection, sent))
        return True

    def _run(self) -> None:
        while True:
            arrived = [self._waiting.get()]
            try:
                while len(arrived) < MAX_TOGETHER:
                    arrived.append(self._waiting.get_nowait())
            except Empty:
                pass
            self.answer_round(arrived)

    def answer_round(self, arrived: Sequence[Arrived]) -> None:
        """Store together what the connections ask to store, and answer them."""
        foreseen = self._store([sent for _, sent in arrived])
        answered = []
        for (connection, sent), each in zip(arrived, foreseen, strict=True):
            if each is None or each.goes_on is None:
                self._decline(connection)
                continue
            with foreseeing(each):
                answered.append((connection, self._answer(connection, sent, each)))
        self._finish(answered)

    def _store(self, requests: Sequence[bytes]) -> list[Foreseen | None]:
        """Return what is known of each request. What cannot be told is left to its turn."""
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
        return foreseen


def peek(client: socket.socket) -> bytes:
    """Return what a socket has received, without taking it; nothing when it is too much."""
    try:
        sent = client.recv(MAX_FORESEEN_BYTES + 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:  # nothing has arrived yet
        return b""
    return sent if len(sent) <= MAX_FORESEEN_BYTES else b""
