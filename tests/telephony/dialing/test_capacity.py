"""Calls ordered one by one keep the limits of their number and workspace, as a batch's do."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from accounts.models import Workspace
from accounts.roles import Role
from telephony.dialing.capacity import adopt_queued
from telephony.models import Call, PhoneNumber, Stage
from tests import make
from voiceops.core.ids import uuid7

ME, ANOTHER = uuid7(), uuid7()


def queued(number: PhoneNumber, count: int) -> list[UUID]:
    return [make.call(number.workspace, number=number).pk for _ in range(count)]


def talking(number: PhoneNumber, **fields: Any) -> Call:
    return make.call(number.workspace, number=number, stage=Stage.IN_PROGRESS, **fields)


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
def test_no_more_are_taken_than_the_number_allows(
    ours: Workspace, limits: dict[str, Any], up: int, adopted: int
) -> None:
    number = make.phone_number(ours, **limits)
    for _ in range(up):
        talking(number)
    waiting = queued(number, 5)

    taken = adopt_queued(ME, 100)

    assert taken == waiting[:adopted]
    assert adopt_queued(ANOTHER, 100) == []


def test_the_next_is_taken_when_one_has_ended(ours: Workspace) -> None:
    number = make.phone_number(ours, calls_per_second=20, max_concurrent_calls=1)
    before = talking(number)
    [waiting] = queued(number, 1)
    while_it_was_up = adopt_queued(ME, 100)
    Call.unscoped.filter(pk=before.pk).update(stage=Stage.ENDED)

    assert (while_it_was_up, adopt_queued(ME, 100)) == ([], [waiting])


def test_the_workspaces_limit_holds_over_all_its_numbers(ours: Workspace) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(max_concurrent_calls=3)
    one, two = (
        make.phone_number(ours, calls_per_second=20, max_concurrent_calls=30) for _ in range(2)
    )
    talking(one)
    waiting = {*queued(one, 3), *queued(two, 3)}

    taken = adopt_queued(ME, 100)

    assert len(taken) == 2
    assert set(taken) < waiting


def test_a_full_number_does_not_hold_up_another(ours: Workspace) -> None:
    full, free = (make.phone_number(ours, max_concurrent_calls=1) for _ in range(2))
    talking(full)
    queued(full, 5)
    [waiting] = queued(free, 1)

    assert adopt_queued(ME, 3) == [waiting]


def test_calls_of_a_number_that_is_gone_are_taken_to_be_refused(ours: Workspace) -> None:
    call = make.call(ours)

    assert adopt_queued(ME, 100) == [call.pk]


def test_a_shift_takes_what_it_can_hold(ours: Workspace) -> None:
    waiting = queued(make.phone_number(ours, calls_per_second=20, max_concurrent_calls=30), 5)

    assert adopt_queued(ME, 2) == waiting[:2]


def made(number: PhoneNumber, **fields: Any) -> Call:
    """A call that ended an hour ago, unless told otherwise."""
    dialed_at = timezone.now() - timedelta(hours=1)
    return make.call(
        number.workspace,
        **{"number": number, "stage": Stage.ENDED, "dialed_at": dialed_at, **fields},
    )


def test_the_calls_of_a_day_are_counted_over_all_numbers(
    ours: Workspace, theirs: Workspace
) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(max_calls_per_day=5)
    one, two = (
        make.phone_number(ours, calls_per_second=20, max_concurrent_calls=30) for _ in range(2)
    )
    made(one)
    made(
        two, dialed_at=None, intent_at=timezone.now(), outcome="unknown"
    )  # nobody can prove that it did not ring
    talking(two)
    made(one, dialed_at=timezone.now() - timedelta(hours=25))
    made(one, dialed_at=None, outcome="cancelled")  # never sent
    made(one, direction="inbound")
    made(make.phone_number(theirs))
    waiting = {*queued(one, 3), *queued(two, 3)}

    taken = adopt_queued(ME, 100)

    assert len(taken) == 2
    assert set(taken) < waiting
    assert adopt_queued(ANOTHER, 100) == []


def test_a_call_beyond_the_day_is_refused(ours: Workspace) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(max_calls_per_day=1)
    number = make.phone_number(ours)
    order = {
        "agent_id": str(make.agent(ours).pk),
        "to": "+12025550186",
        "from_number_id": str(number.pk),
    }
    client = make.client(ours, Role.MANAGER)

    answers = [client.post("/calls", order) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 400]
    assert answers[1].json() == {"detail": "The workspace has reached its daily limit of calls"}
