"""The threads of the web server, which callers share.

A thread that is free takes a request of the caller that holds the fewest. So a hundred connections
of one delay the request of another by one of theirs, not by a hundred.
"""

import hashlib
import re
import socket
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

CALLER_HEAD_BYTES = 8_192  # of a request, in which its credentials are looked for
SENT_CREDENTIALS = re.compile(rb"\r\n(?:authorization|x-api-key|cookie):([^\r\n]*)", re.IGNORECASE)

Job = tuple[Callable[..., Any], tuple[Any, ...], "Future[Any]"]


class FairThreads:
    """Threads whose next job is one of the caller with the fewest under way; among equals, of the
    one who was served longest ago.
    """

    def __init__(self, max_workers: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers)
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()
        self._running: Counter[str] = Counter()

    def submit(self, caller: str, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Run the function in a thread when it is the caller's turn."""
        future: Future[Any] = Future()
        with self._lock:
            self._waiting.setdefault(caller, deque()).append((function, arguments, future))
        self._pool.submit(self._run_next)
        return future

    def shutdown(self, wait: bool = True) -> None:
        """Start no further thread. What has been submitted is run."""
        self._pool.shutdown(wait=wait)

    def _run_next(self) -> None:
        caller, (function, arguments, future) = self._pop_next()
        try:
            result = function(*arguments)
        except BaseException as error:  # noqa: BLE001 - raised where the result is read
            future.set_exception(error)
        else:
            future.set_result(result)
        finally:
            with self._lock:
                self._running -= Counter((caller,))

    def _pop_next(self) -> tuple[str, Job]:
        # There is a job for each call of `_run_next`.
        with self._lock:
            caller = min(self._waiting, key=lambda name: self._running[name])
            job = self._waiting[caller].popleft()
            if self._waiting[caller]:
                self._waiting.move_to_end(caller)
            else:
                del self._waiting[caller]
            self._running[caller] += 1
        return caller, job


def find_caller(client: socket.socket, address: Any) -> str:
    """Return who sends the request that waits on a socket: by its credentials, or its address.

    They are not verified yet, and nothing else depends on them: requests with invented ones are
    served in the order of their arrival.
    """
    try:
        head = client.recv(CALLER_HEAD_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:  # nothing has arrived yet
        head = b""
    found = SENT_CREDENTIALS.search(head.partition(b"\r\n\r\n")[0])
    if found:
        return hashlib.sha256(found[1].strip()).hexdigest()
    return str(address[0]) if isinstance(address, tuple) and address else ""
