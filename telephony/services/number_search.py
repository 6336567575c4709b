"""Which numbers of a workspace's calls contain a text: read from indexes, without the calls."""

from collections.abc import Iterator

from accounts.models import Workspace
from telephony.models import CallQuerySet

# So many that reading the calls themselves is as fast.
MAX_FOUND_NUMBERS = 500
# A workspace that makes calls makes them from a few numbers. One that takes many has more callers.
MAX_CALLERS = 20


def find_numbers(workspace: Workspace, text: str) -> set[str] | None:
    """Return the numbers that contain the text, of both sides; None if there are too many."""
    calls: CallQuerySet = workspace.calls.all()
    called = calls.filter(to_number__icontains=text).order_by().values_list("to_number", flat=True)
    found = set(called.distinct()[: MAX_FOUND_NUMBERS + 1])
    found.update(_find_callers(calls.listed(), text))
    return found if len(found) <= MAX_FOUND_NUMBERS else None


def _find_callers(calls: CallQuerySet, text: str) -> Iterator[str]:
    """Yield the callers' numbers that contain the text, too many at most."""
    callers = list(_first_callers(calls))
    if len(callers) > MAX_CALLERS:
        numbers = calls.filter(from_number__icontains=text).order_by()
        yield from numbers.values_list("from_number", flat=True).distinct()[: MAX_FOUND_NUMBERS + 1]
        return
    yield from (number for number in callers if text.lower() in number.lower())


def _first_callers(calls: CallQuerySet) -> Iterator[str]:
    """Yield one more than MAX_CALLERS numbers, each found by leaping over the calls of the last."""
    numbers = calls.order_by("from_number").values_list("from_number", flat=True)
    number = numbers.first()
    for _ in range(MAX_CALLERS + 1):
        if number is None:
            return
        yield number
        number = numbers.filter(from_number__gt=number).first()
