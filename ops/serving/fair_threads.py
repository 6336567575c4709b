"""The threads of the web server: callers share them, and few compute at once.

A thread that is free takes a request of the caller that holds the fewest. So a hundred connections
of one delay the request of another by one of theirs, not by a hundred.

A process computes one thing at a time, whatever its threads: each of sixteen that answer quick
requests waits for the fifteen others whenever it has read or written something, and most of the
time goes into waking them (docs/decisions/0018-few-at-once.md). So two requests are answered at a
time. One that takes longer than most, because it waits for something, does not count any more, and
the next begins beside it.
"""

import hashlib
import re
import socket
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

QUICK_AT_ONCE = 2  # the second computes while the first waits for the database
QUICK_SECONDS = 0.02
CHECK_SECONDS = 0.01
# Threads that no single caller gets: one whose responses are read slowly, or whose bodies come
# slowly, would hold all of them for as long as it likes.
THREADS_FOR_OTHERS = 4
CALLER_HEAD_BYTES = 8_192  # of a request, in which its credentials are looked for
SENT_CREDENTIALS = re.compile(rb"\r\n(?:authorization|x-api-key|cookie):([^\r\n]*)", re.IGNORECASE)

Job = tuple[Callable[..., Any], tuple[Any, ...], "Future[Any]"]


class FairThreads:
    """Threads whose next job is one of the caller with the fewest under way; among equals, of the
    one who was served longest ago.
    """

    def __init__(self, max_workers: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers)
        are_many = max_workers > 2 * THREADS_FOR_OTHERS
        self._most_of_one = max_workers - THREADS_FOR_OTHERS if are_many else max_workers
        self._lock = threading.Lock()  # guards all that follows
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()
        self._running: Counter[str] = Counter()
        self._quick: dict[object, float] = {}  # runs that count, with when their job began
        self._someone_waits = threading.Event()
        threading.Thread(
            target=self._start_beside_long_jobs, name="web-starter", daemon=True
        ).start()

    def submit(self, caller: str, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Run the function in a thread when it is the caller's turn."""
        future: Future[Any] = Future()
        with self._lock:
            self._waiting.setdefault(caller, deque()).append((function, arguments, future))
            if len(self._quick) < QUICK_AT_ONCE:
                self._start_run()
            else:
                self._someone_waits.set()
        return future

    def shutdown(self, wait: bool = True) -> None:
        """Start no further thread. What has been submitted is run."""
        self._pool.shutdown(wait=wait)

    def _start_run(self) -> None:
        run = object()
        self._quick[run] = time.monotonic()
        self._pool.submit(self._run_jobs, run)

    def _run_jobs(self, run: object) -> None:
        """Run what waits, one job after the other, while this run is one of the few."""
        while (found := self._pop_next(run)) is not None:
            caller, (function, arguments, future) = found
            try:
                result = function(*arguments)
            except BaseException as error:  # noqa: BLE001 - raised where the result is read
                future.set_exception(error)
            else:
                future.set_result(result)
            finally:
                with self._lock:
                    self._running -= Counter((caller,))

    def _pop_next(self, run: object) -> tuple[str, Job] | None:
        with self._lock:
            has_place = run in self._quick or len(self._quick) < QUICK_AT_ONCE
            caller = min(self._waiting, key=lambda name: self._running[name], default=None)
            if caller is None or not has_place or self._running[caller] >= self._most_of_one:
                self._quick.pop(run, None)
                return None
            self._quick[run] = time.monotonic()
            job = self._waiting[caller].popleft()
            if self._waiting[caller]:
                self._waiting.move_to_end(caller)
            else:
                del self._waiting[caller]
            self._running[caller] += 1
            return caller, job

    def _start_beside_long_jobs(self) -> None:
        """While jobs wait, let the next begin beside those that take long."""
        while True:
            self._someone_waits.wait()
            time.sleep(CHECK_SECONDS)
            with self._lock:
                if not self._waiting:
                    self._someone_waits.clear()
                    continue
                began_before = time.monotonic() - QUICK_SECONDS
                long = [run for run, began in self._quick.items() if began < began_before]
                for run in long:
                    del self._quick[run]
                try:
                    for _ in long:
                        self._start_run()
                except RuntimeError:  # the pool has been shut down
                    return


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
