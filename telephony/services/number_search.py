"""Which numbers of a workspace's calls contain a text: read from indexes, without the calls."""

from collections.abc import Iterator
from typing import NamedTuple

from accounts.models import Workspace
from telephony.models import CallQuerySet

# So many that reading the calls themselves is as fast.
MAX_FOUND_NUMBERS = 500
# A workspace that makes calls makes them from a few numbers. One that takes many has more callers.
MAX_CALLERS = 20


class FoundNumbers(NamedTuple):
    """The numbers that contain a text: of those who called, and of those who were called."""

    callers: list[str]
    called: list[str]


def find_numbers(workspace: Workspace, text: str) -> FoundNumbers | None:
    """Return the numbers that contain the text; None if their calls are too many to look up."""
    calls: CallQuerySet = workspace.calls.all()
    callers = _find_callers(calls.listed(), text)
    if callers is None:
        return None
    numbers = calls.filter(to_number__icontains=text).order_by()
    called = list(numbers.values_list("to_number", flat=True).distinct()[: MAX_FOUND_NUMBERS + 1])
    is_too_much = max(len(callers), len(called)) > MAX_FOUND_NUMBERS
    return None if is_too_much else FoundNumbers(callers, called)


def _find_callers(calls: CallQuerySet, text: str) -> list[str] | None:
    """Return the callers' numbers that contain the text; None for one that makes most calls."""
    callers = list(_first_callers(calls))
    if len(callers) <= MAX_CALLERS:
        return None if any(text.lower() in number.lower() for number in callers) else []
    numbers = calls.filter(from_number__icontains=text).order_by()
    return list(numbers.values_list("from_number", flat=True).distinct()[: MAX_FOUND_NUMBERS + 1])


def _first_callers(calls: CallQuerySet) -> Iterator[str]:
    """Yield one more than MAX_CALLERS numbers, each found by leaping over the calls of the last."""
    numbers = calls.order_by("from_number").values_list("from_number", flat=True)
    number = numbers.first()
    for _ in range(MAX_CALLERS + 1):
        if number is None:
            return
        yield number
        number = numbers.filter(from_number__gt=number).first()
