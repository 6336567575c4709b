"""A room is deleted once: after its agent's moment, by one process, never twice within a second."""

import itertools
import random
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from telephony.dialing import room_deleter
from telephony.domain import call_states, room_deletion
from telephony.domain.dial_verdicts import BUSY, NO_AGENT
from telephony.domain.room_deletion import (
    AGENT_LEAVE_TIME,
    DELETION_RETRY_INTERVAL,
    MAX_DELETION_TIME,
    MIN_DELETION_INTERVAL,
)
from telephony.models import Call, Stage
from tests import make
from tests.telephony.calls import livekit as webhooks
from tests.telephony.dialing.fakes import server_error
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError


def ended(of: Workspace, *, seconds_ago: float = 60, **fields: Any) -> Call:
    """A call that was sent and ended that long ago; its room is still there."""
    at = database_now() - timedelta(seconds=seconds_ago)
    call = make.call(of, stage=Stage.DIALING, intent_at=at, dialed_at=at, **fields)
    call_states.mark_failed(call, verdict=BUSY, at=at)
    return call


def stored(call: Call) -> Call:
    return Call.unscoped.get(pk=call.pk)


async def test_room_is_due_once_the_agent_had_its_moment(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    leave_seconds = AGENT_LEAVE_TIME.total_seconds()
    over = ended(ours, seconds_ago=leave_seconds + 1)
    fresh = ended(ours, seconds_ago=leave_seconds - 1)

    await room_deleter.delete_due_rooms(livekit, inline_db)
    await room_deleter.delete_due_rooms(livekit, inline_db)

    assert livekit.deleted == [over.room]
    assert stored(over).room_delete_at is None
    assert stored(fresh).room_delete_at is not None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "is_due"),
    [
        ({"intent_at": timezone.now()}, True),
        ({"direction": "inbound", "stage": Stage.RINGING}, True),
        ({}, False),
    ],
)
def test_ended_call_has_a_room_unless_it_was_never_sent(
    ours: Workspace, fields: dict[str, Any], is_due: bool
) -> None:
    call = make.call(ours, **fields)

    call_states.mark_failed(call, verdict=NO_AGENT, at=database_now(), since=(Stage(call.stage),))

    assert (stored(call).room_delete_at is not None) is is_due


async def test_room_that_livekit_has_finished_is_not_deleted_again(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    call = ended(ours)

    webhooks.post(webhooks.event("room_finished", call))
    await room_deleter.delete_due_rooms(livekit, inline_db)

    assert livekit.deleted == []


async def test_room_that_an_operator_closed_is_not_due_at_the_end_of_its_call(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    now = database_now()
    call = make.call(ours, stage=Stage.IN_PROGRESS, intent_at=now, answered_at=now)

    await room_deleter.delete_room_now(livekit, inline_db, call)
    call_states.mark_hung_up(stored(call), at=now, reason="operator_hangup", by="operator")

    assert livekit.deleted == [call.room]
    assert stored(call).room_delete_at is None


async def test_room_that_could_not_be_deleted_is_due_again(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    call = ended(ours)
    livekit.failures["delete_room"] = server_error(503)

    await room_deleter.delete_due_rooms(livekit, inline_db)

    due_at = stored(call).room_delete_at
    assert due_at is not None
    assert due_at - database_now() <= DELETION_RETRY_INTERVAL
    livekit.failures.clear()
    Call.unscoped.filter(pk=call.pk).update(room_delete_at=database_now())
    await room_deleter.delete_due_rooms(livekit, inline_db)
    assert livekit.deleted == [call.room]


async def test_room_is_left_to_livekits_timeouts_in_the_end(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    call = ended(ours, seconds_ago=MAX_DELETION_TIME.total_seconds() + 1)
    livekit.failures["delete_room"] = server_error(503)

    await room_deleter.delete_due_rooms(livekit, inline_db)

    assert stored(call).room_delete_at is None


async def test_failed_hang_up_does_not_end_the_call_later(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    now = database_now()
    call = make.call(ours, stage=Stage.IN_PROGRESS, intent_at=now, answered_at=now)
    livekit.failures["delete_room"] = server_error(503)

    with pytest.raises(ProviderError):
        await room_deleter.delete_room_now(livekit, inline_db, call)

    assert (stored(call).room_claimed_at, stored(call).room_delete_at) == (None, None)


@pytest.mark.django_db
def test_room_is_claimed_by_one_process_at_a_time(ours: Workspace) -> None:
    call = ended(ours)
    other = stored(call)

    assert (room_deletion.claim(call), room_deletion.claim(other)) == (True, False)
    assert room_deletion.claim_due() == []


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(20))
def test_no_room_is_claimed_twice_within_a_second(
    ours: Workspace, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Any number of processes that end, release and look for due rooms, in any order.
    draw = random.Random(seed)  # noqa: S311  - reproducible, not a secret
    clock = database_now()
    monkeypatch.setattr(room_deletion, "database_now", lambda: clock)
    call = ended(ours)
    claims = []

    for _ in range(60):
        clock += timedelta(milliseconds=draw.choice([0, 5, 50, 400, 900]))
        step = draw.choice(["claim", "due", "due", "forget"])
        if (step == "claim" and room_deletion.claim(stored(call))) or (
            step == "due" and room_deletion.claim_due()
        ):
            claims.append(clock)
        elif step == "forget":
            room_deletion.forget([call.pk])

    assert claims
    gaps = [later - earlier for earlier, later in itertools.pairwise(claims)]
    assert all(gap >= MIN_DELETION_INTERVAL for gap in gaps)
