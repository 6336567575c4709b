from datetime import timedelta

from django.utils import timezone

from accounts.models import Workspace
from ops.checking.inbound_checks import check_inbound
from telephony.domain.room_names import room_prefix
from telephony.models import Direction, InboxEvent, Stage
from tests import make
from voiceops.core.ids import uuid7


def event(room: str, **fields: object) -> None:
    values = {"event": "room_started", "body": {}, "received_at": timezone.now(), **fields}
    InboxEvent.objects.create(event_id=str(uuid7()), room=room, **values)


def test_calls_that_find_their_agent_are_no_finding(ours: Workspace) -> None:
    number = make.phone_number(ours)
    event(f"{room_prefix(number.pk)}_+12025550186_x")
    event("another application's room")

    assert list(check_inbound()) == []


def test_calls_to_a_number_without_an_agent_are_named(ours: Workspace) -> None:
    make.call(
        ours,
        direction=Direction.INBOUND,
        to_number="+12025550100",
        stage=Stage.ENDED,
        end_reason="number_without_agent",
    )

    [found] = check_inbound()

    assert str(found) == (
        "warning inbound     calls within a day to numbers without a published agent: "
        "+12025550100 (1). Fix: set inbound_agent_id, and publish that agent"
    )


def test_calls_to_a_number_that_is_gone_are_named(ours: Workspace) -> None:
    room = f"{room_prefix(uuid7())}_anonymous_x"
    event(room)
    event(room)
    event(f"{room_prefix(uuid7())}_old_x", received_at=timezone.now() - timedelta(days=2))

    [found] = check_inbound()

    assert str(found) == (
        "warning inbound     1 call within a day to numbers that are not registered here any "
        f"more: {room}. Fix: register the number again, or delete its dispatch rule at LiveKit"
    )
