"""The doctor's checks of calls that came in and found no agent."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from ops.checking.findings import Finding, join_first, warning
from telephony.domain import room_names
from telephony.models import Call, Direction, InboxEvent, PhoneNumber
from telephony.services.inbound import NUMBER_WITHOUT_AGENT
from voiceops.core.clock import database_now
from voiceops.core.ids import lowest_id

INBOUND_CHECK_AGE = timedelta(days=1)
MAX_CHECKED_ROOMS = 1000


def check_inbound() -> Iterator[Finding]:
    """Calls of a day that no agent could answer, and why; nothing when there are none."""
    since = database_now() - INBOUND_CHECK_AGE
    if unanswered := _calls_without_agent(since):
        called = [f"{number} ({count})" for number, count in unanswered.most_common()]
        description = (
            f"calls within a day to numbers without a published agent: {join_first(called)}"
        )
        yield warning("inbound", description, "set inbound_agent_id, and publish that agent")
    if rooms := _rooms_without_number(since):
        description = (
            f"{len(rooms)} call{'s' if len(rooms) > 1 else ''} within a day to numbers that are "
            f"not registered here any more: {join_first(rooms)}"
        )
        fix = "register the number again, or delete its dispatch rule at LiveKit"
        yield warning("inbound", description, fix)


def _calls_without_agent(since: datetime) -> Counter[str]:
    """Return how many calls each number had while no agent answered it."""
    calls = Call.unscoped.filter(
        direction=Direction.INBOUND,
        end_reason=NUMBER_WITHOUT_AGENT.reason,
        pk__gte=lowest_id(since),
    )
    return Counter(calls.values_list("to_number", flat=True)[:MAX_CHECKED_ROOMS])


def _rooms_without_number(since: datetime) -> list[str]:
    """Return the rooms of inbound calls whose number nobody knows, by LiveKit's webhooks."""
    events = InboxEvent.objects.filter(
        room__startswith=room_names.INBOUND_PREFIX, received_at__gte=since
    )
    rooms = set(events.values_list("room", flat=True).distinct()[:MAX_CHECKED_ROOMS])
    numbers = {room: room_names.number_of(room) for room in rooms}
    known = set(
        PhoneNumber.unscoped.filter(pk__in=filter(None, numbers.values())).values_list(
            "pk", flat=True
        )
    )
    return sorted(room for room, number in numbers.items() if number and number not in known)
