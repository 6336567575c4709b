"""Calls that were ordered one by one keep the limits of their number and workspace."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from accounts.models import Workspace
from accounts.roles import Role
from telephony.dialing.capacity import adopt_queued, calls_of_the_day, capacity_of_number
from telephony.models import Call, Direction, PhoneNumber, Stage
from tests import make
from voiceops.core.clock import database_now
from voiceops.core.ids import uuid7

ME, ANOTHER = uuid7(), uuid7()


def queued(number: PhoneNumber, count: int) -> list[UUID]:
    return [make.call(number.workspace, number=number).pk for _ in range(count)]


def talking(number: PhoneNumber, **fields: Any) -> Call:
    return make.call(number.workspace, number=number, stage=Stage.IN_PROGRESS, **fields)


def ended(number: PhoneNumber, **fields: Any) -> Call:
    """A call that was dialled an hour ago, unless the test says otherwise."""
    dialed_at = timezone.now() - timedelta(hours=1)
    values = {"number": number, "stage": Stage.ENDED, "dialed_at": dialed_at, **fields}
    return make.call(number.workspace, **values)


def quick_number(of: Workspace, **fields: Any) -> PhoneNumber:
    """A number whose pace limits nothing here."""
    return make.phone_number(of, **{"calls_per_second": 20, "max_concurrent_calls": 30, **fields})


def limit(workspace: Workspace, **limits: int) -> None:
    Workspace.unscoped.filter(pk=workspace.pk).update(**limits)


# --- adopt_queued


@pytest.mark.parametrize(
    ("limits", "up", "adopted"),
    [
        ({"calls_per_second": 20, "max_concurrent_calls": 3}, 0, 3),
        ({"calls_per_second": 20, "max_concurrent_calls": 3}, 1, 2),
        ({"calls_per_second": 20, "max_concurrent_calls": 3}, 3, 0),
        ({"calls_per_second": 20, "max_concurrent_calls": 3}, 4, 0),
        ({"calls_per_second": 1, "max_concurrent_calls": 30}, 0, 2),
    ],
)
def test_no_more_calls_are_adopted_than_the_number_allows(
    ours: Workspace, limits: dict[str, Any], up: int, adopted: int
) -> None:
    number = make.phone_number(ours, **limits)
    for _ in range(up):
        talking(number)
    waiting = queued(number, 5)

    ids = adopt_queued(ME, 100)

    assert ids == waiting[:adopted]
    assert adopt_queued(ANOTHER, 100) == []


def test_next_call_is_adopted_when_one_has_ended(ours: Workspace) -> None:
    number = quick_number(ours, max_concurrent_calls=1)
    before = talking(number)
    [waiting] = queued(number, 1)
    while_it_was_up = adopt_queued(ME, 100)
    Call.unscoped.filter(pk=before.pk).update(stage=Stage.ENDED)

    assert (while_it_was_up, adopt_queued(ME, 100)) == ([], [waiting])


def test_limit_of_the_workspace_holds_over_all_its_numbers(ours: Workspace) -> None:
    limit(ours, max_concurrent_calls=3)
    one, two = quick_number(ours), quick_number(ours)
    talking(one)
    waiting = {*queued(one, 3), *queued(two, 3)}

    ids = adopt_queued(ME, 100)

    assert len(ids) == 2
    assert set(ids) < waiting


def test_full_number_does_not_hold_up_another(ours: Workspace) -> None:
    full, free = (make.phone_number(ours, max_concurrent_calls=1) for _ in range(2))
    talking(full)
    queued(full, 5)
    [waiting] = queued(free, 1)

    assert adopt_queued(ME, 3) == [waiting]


def test_call_whose_number_was_removed_is_adopted_to_be_refused(ours: Workspace) -> None:
    call = make.call(ours)

    assert adopt_queued(ME, 100) == [call.pk]


def test_dispatcher_adopts_what_it_can_hold(ours: Workspace) -> None:
    waiting = queued(quick_number(ours), 5)

    assert adopt_queued(ME, 2) == waiting[:2]


def test_adopted_call_is_leased_to_its_dispatcher(ours: Workspace) -> None:
    [waiting] = queued(quick_number(ours), 1)

    adopt_queued(ME, 1)

    call = Call.unscoped.get(pk=waiting)
    assert (call.stage, call.lease_owner) == (Stage.RESERVED, ME)
    assert call.lease_expires_at is not None
    assert timedelta(seconds=14) < call.lease_expires_at - database_now() <= timedelta(seconds=15)


@pytest.mark.parametrize(
    "fields",
    [
        {"direction": Direction.INBOUND},
        {"lease_owner": ANOTHER},
        {"stage": Stage.INTENT},
        {"stage": Stage.ENDED},
    ],
    ids=["inbound", "held by another", "being sent", "ended"],
)
def test_other_calls_are_not_adopted(ours: Workspace, fields: dict[str, Any]) -> None:
    make.call(ours, number=quick_number(ours), **fields)

    assert adopt_queued(ME, 100) == []


# --- capacity_of_number


def test_reserved_calls_use_up_the_pace_ahead(ours: Workspace) -> None:
    number = make.phone_number(ours, calls_per_second=2, max_concurrent_calls=30)
    queued(number, 3)
    talking(number)

    assert capacity_of_number(number, Call.unscoped.open()) == 1


def test_capacity_is_negative_when_a_limit_was_lowered(ours: Workspace) -> None:
    number = quick_number(ours, max_concurrent_calls=1)
    for _ in range(3):
        talking(number)

    assert capacity_of_number(number, Call.unscoped.open()) == -2


def test_smallest_of_all_limits_decides(ours: Workspace) -> None:
    limit(ours, max_concurrent_calls=7, max_calls_per_day=4)
    number = PhoneNumber.unscoped.select_related("workspace").get(pk=quick_number(ours).pk)
    ended(number)

    assert capacity_of_number(number, Call.unscoped.open()) == 3


# --- the quota of a day


def test_calls_of_a_day_are_counted_over_all_numbers(ours: Workspace, theirs: Workspace) -> None:
    limit(ours, max_calls_per_day=5)
    one, two = quick_number(ours), quick_number(ours)
    ended(one)
    ended(two, dialed_at=None, intent_at=timezone.now(), outcome="unknown")  # it may have rung
    talking(two)
    ended(one, dialed_at=timezone.now() - timedelta(hours=25))
    ended(one, dialed_at=None, outcome="cancelled")  # never sent
    ended(one, direction=Direction.INBOUND)
    ended(make.phone_number(theirs))
    waiting = {*queued(one, 3), *queued(two, 3)}

    ids = adopt_queued(ME, 100)

    assert len(ids) == 2
    assert set(ids) < waiting
    assert adopt_queued(ANOTHER, 100) == []


def test_inbound_call_that_is_up_is_not_of_the_quota(ours: Workspace) -> None:
    number = quick_number(ours)
    talking(number, direction=Direction.INBOUND)
    talking(number)

    assert calls_of_the_day(ours, Call.unscoped.open()) == 1


def test_call_beyond_the_day_is_refused(ours: Workspace) -> None:
    limit(ours, max_calls_per_day=1)
    number = make.phone_number(ours)
    order = {
        "agent_id": str(make.agent(ours).pk),
        "to": "+12025550186",
        "from_number_id": str(number.pk),
    }
    client = make.client(ours, Role.MANAGER)

    responses = [client.post("/calls", order) for _ in range(2)]

    assert [response.status_code for response in responses] == [201, 400]
    assert responses[1].json() == {"detail": "The workspace has reached its daily limit of calls"}
