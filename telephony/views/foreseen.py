"""What is known of a request when its turn comes, because it was read ahead (`foresight`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from django.http import HttpRequest

from telephony.services.intake import Item


@dataclass
class Foreseen:
    """A request of a machine: path and body, what it asks to store, and what came of it."""

    path: str
    body: bytes
    item: Item
    goes_on: bool | None = None  # None: it is not stored


_of_this_request: ContextVar[Foreseen | None] = ContextVar("foreseen", default=None)


@contextmanager
def foreseeing(foreseen: Foreseen) -> Iterator[None]:
    """Let the request that is answered in this block find what came of it."""
    token = _of_this_request.set(foreseen)
    try:
        yield
    finally:
        _of_this_request.reset(token)


def current_foreseen() -> Foreseen | None:
    """Return what is known of the request that is being answered."""
    return _of_this_request.get()


def outcome_of(request: HttpRequest, body: bytes) -> bool | None:
    """Return what came of a request with this body; None when it is not stored yet."""
    found = current_foreseen()
    if found is None or (found.path, found.body) != (request.path_info, body):
        return None
    return found.goes_on
