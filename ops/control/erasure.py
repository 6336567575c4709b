"""Erases a person from one workspace: lists, calls with their recordings, and webhook events."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from accounts.models import Workspace
from batches.services.erasure import erase_recipients
from telephony.models import Call
from telephony.services.erasure import erase_calls
from webhooks.delivery import erase_events


class Erased(NamedTuple):
    """How much was erased."""

    rows: int
    calls: int
    events: int

    def __str__(self) -> str:
        return f"{self.rows} rows of lists, {self.calls} calls, {self.events} webhook events"


def erase_person(
    workspace: Workspace,
    phone: str,
    *,
    follow: Callable[[Iterable[Call]], Iterable[Call]] = lambda calls: calls,
) -> Erased:
    """Erase a number (E.164); `follow` passes the calls on, for example to count them.

    Can be repeated. Raises StateForbids while the number is being called or a list is being read.
    """
    rows = erase_recipients(workspace, phone)
    call_ids = [str(call.pk) for call in follow(erase_calls(workspace, phone))]
    # Events name the number or one of the calls.
    events = erase_events(workspace, [phone, *call_ids])
    return Erased(rows, len(call_ids), events)
