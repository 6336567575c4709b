"""The order in which the web server's threads answer requests: callers share the threads.

A thread that is free takes a request of the caller that holds the fewest. So a hundred connections
of one delay the request of another by one of theirs, not by a hundred.
"""

import hashlib
import re
import threading
from collections import Counter, OrderedDict, deque
from typing import Any, Generic, NamedTuple, TypeVar

SENT_CREDENTIALS = re.compile(rb"\r\n(?:authorization|x-api-key|cookie):([^\r\n]*)", re.IGNORECASE)

Request = TypeVar("Request")


class Turn(NamedTuple, Generic[Request]):
    """A request whose turn has come. Its caller holds a thread until `end` is called with it."""

    caller: str
    request: Request


class FairQueue(Generic[Request]):
    """Requests that wait: next is one of the caller with the fewest under way; among equals, of
    the one who was served longest ago.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, deque[Request]] = OrderedDict()
        self._running: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def push(self, caller: str, request: Request) -> None:
        """Let a request wait for a thread."""
        with self._lock:
            self._waiting.setdefault(caller, deque()).append(request)

    def pop(self) -> Turn[Request] | None:
        """Return the request whose turn it is; None when none waits."""
        with self._lock:
            if not self._waiting:
                return None
            caller = min(self._waiting, key=self._running.__getitem__)
            requests = self._waiting[caller]
            request = requests.popleft()
            if requests:
                self._waiting.move_to_end(caller)
            else:
                del self._waiting[caller]
            self._running[caller] += 1
            return Turn(caller, request)

    def end(self, turn: Turn[Request]) -> None:
        """Record that a request has been answered."""
        with self._lock:
            self._running[turn.caller] -= 1
            if not self._running[turn.caller]:
                del self._running[turn.caller]


def find_caller(head: bytes, address: Any) -> str:
    """Return who sends the request that begins with `head`: by its credentials, or its address.

    They are not verified yet, and nothing else depends on them: requests with invented ones are
    served in the order of their arrival.
    """
    found = SENT_CREDENTIALS.search(head.partition(b"\r\n\r\n")[0])
    if found:
        return hashlib.sha256(found[1].strip()).hexdigest()
    return str(address[0]) if isinstance(address, tuple) and address else ""
