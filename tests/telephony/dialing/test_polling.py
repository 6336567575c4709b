"""Calls that no source reports on are looked up at LiveKit."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from livekit import api

from accounts.models import Workspace
from telephony.clients.livekit.rooms import Participant
from telephony.dialing import polling
from telephony.models import Call, Stage
from telephony.services import inbound
from tests import make
from tests.telephony.dialing.fakes import callee_of, server_error
from voiceops.core.clock import database_now
from voiceops.core.ids import uuid7

SILENT = timedelta(seconds=30)


def talking(of: Workspace, **fields: Any) -> Call:
    """An answered call that was heard of half a minute ago."""
    heard_at = database_now() - SILENT
    values = {"stage": Stage.IN_PROGRESS, "answered_at": heard_at, "heard_at": heard_at, **fields}
    return make.call(of, **values)


def callee(call: Call) -> Participant:
    return Participant(call.callee_identity, {}, is_callee=True)


def agent() -> Participant:
    return Participant("agent-1", {}, is_callee=False)


def test_silent_calls_are_the_answered_ones_without_a_report(ours: Workspace) -> None:
    newer = talking(ours)
    older = talking(ours, heard_at=database_now() - 2 * SILENT)
    talking(ours, heard_at=database_now())
    talking(ours, stage=Stage.RINGING)
    talking(ours, stage=Stage.ENDED)

    assert polling.silent_calls() == [older, newer]


def test_call_whose_callee_is_in_the_room_lives(ours: Workspace) -> None:
    call = talking(ours)

    polling.record_presence(call, [agent(), callee(call)])

    call.refresh_from_db()
    assert call.stage == Stage.IN_PROGRESS
    assert call.heard_at is not None
    assert database_now() - call.heard_at < timedelta(seconds=5)


def test_call_whose_callee_has_left_ended_when_it_was_last_heard(ours: Workspace) -> None:
    """Another agent was heard meanwhile: the installation was not deaf."""
    heard_at = database_now() - timedelta(seconds=14)
    call = talking(ours, answered_at=heard_at, heard_at=heard_at)
    make.call(ours, stage=Stage.IN_PROGRESS, agent_seen_at=database_now())

    polling.record_presence(call, [agent()])

    call.refresh_from_db()
    assert (call.stage, call.outcome, call.end_reason) == (
        Stage.ENDED,
        "answered",
        "left_unnoticed",
    )
    assert call.ended_at == heard_at


def test_call_that_ended_while_we_were_deaf_ended_by_now(ours: Workspace) -> None:
    """No agent at all was heard: that the last report is old proves nothing."""
    call, before = talking(ours), database_now()

    polling.record_presence(call, [agent()])

    call.refresh_from_db()
    assert call.ended_at is not None
    assert call.ended_at >= before


def test_agent_that_is_heard_after_we_were_away_does_not_show_that_we_heard_before(
    ours: Workspace,
) -> None:
    call, before = talking(ours), database_now()
    make.call(ours, stage=Stage.IN_PROGRESS, agent_seen_at=before)

    polling.record_presence(call, [agent()])

    call.refresh_from_db()
    assert call.ended_at is not None
    assert call.ended_at >= before


def test_end_of_a_deaf_hour_is_bounded_by_the_maximum_duration(ours: Workspace) -> None:
    then = database_now() - timedelta(hours=1)
    call = talking(ours, dialed_at=then, answered_at=then + timedelta(seconds=5), heard_at=then)

    polling.record_presence(call, [agent()])

    call.refresh_from_db()
    assert call.ended_at == then + timedelta(seconds=600)


@pytest.mark.parametrize(("seconds", "overdue"), [(119, False), (149, False), (151, True)])
def test_call_is_overdue_a_minute_after_its_longest_duration(
    ours: Workspace, seconds: int, overdue: bool
) -> None:
    now = database_now()
    call = talking(
        ours,
        agent=make.agent(ours, max_call_duration_seconds=90),
        answered_at=now - timedelta(seconds=seconds),
    )

    assert polling.is_overdue(call, now) is overdue


def test_call_without_an_agent_version_may_last_ten_minutes(ours: Workspace) -> None:
    now = database_now()
    call = talking(ours, agent_version=None)
    call.answered_at = now - timedelta(minutes=10, seconds=59)
    within = polling.is_overdue(call, now)
    call.answered_at = now - timedelta(minutes=11, seconds=1)

    assert (within, polling.is_overdue(call, now)) == (False, True)


def test_call_that_was_not_answered_is_never_overdue(ours: Workspace) -> None:
    assert not polling.is_overdue(make.call(ours), database_now())


def test_overdue_call_ends_by_its_maximum_duration(ours: Workspace) -> None:
    call, now = talking(ours), database_now()

    polling.end_overdue(call, now)

    assert (call.end_reason, call.hung_up_by, call.ended_at) == ("max_duration", "agent", now)


def test_callee_is_known_by_the_identity_we_gave(ours: Workspace) -> None:
    call = talking(ours)
    stranger = Participant("sip_+12025550186", {}, is_callee=True)

    assert polling.is_callee_participant(call, callee(call))
    assert not polling.is_callee_participant(call, stranger)


def test_caller_is_known_by_their_telephone(ours: Workspace) -> None:
    call = talking(ours, direction="inbound")

    assert polling.is_callee_participant(call, Participant("sip_1", {}, is_callee=True))
    assert not polling.is_callee_participant(call, agent())


# --- reconcile_calls


async def test_round_follows_doubtful_and_silent_calls(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    silent = talking(ours)
    doubtful = make.call(ours, stage=Stage.UNKNOWN, intent_at=database_now())
    livekit.participants[doubtful.room] = [callee_of(doubtful, "active")]

    checked = await polling.reconcile_calls(livekit, inline_db)

    assert checked == 2
    stages = Call.unscoped.in_bulk()
    assert stages[silent.pk].stage == Stage.ENDED
    assert stages[doubtful.pk].stage == Stage.IN_PROGRESS


async def test_round_without_work_asks_livekit_nothing(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    livekit.failures["list_participants"] = AssertionError("must not be asked")
    talking(ours, heard_at=database_now())

    assert await polling.reconcile_calls(livekit, inline_db) == 0


async def test_round_takes_up_what_a_dead_dispatcher_left(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    gone = {"lease_owner": uuid7(), "lease_expires_at": database_now() - timedelta(seconds=1)}
    reserved = make.call(ours, batch_id=uuid7(), **gone)
    sending = make.call(ours, stage=Stage.INTENT, intent_at=database_now(), **gone)

    checked = await polling.reconcile_calls(livekit, inline_db)

    assert checked == 1
    stages = Call.unscoped.in_bulk()
    assert stages[reserved.pk].stage == Stage.ENDED
    assert stages[sending.pk].stage == Stage.UNKNOWN


async def test_deletion_of_a_room_is_remembered_for_the_next_round(
    ours: Workspace, livekit: Any, inline_db: Any, settings: Any
) -> None:
    settings.DIAL_FENCE_SECONDS = 60
    call = make.call(ours, stage=Stage.UNKNOWN, intent_at=database_now() - timedelta(minutes=2))

    await polling.reconcile_calls(livekit, inline_db)

    call.refresh_from_db()
    assert livekit.deleted == [call.room]
    assert call.room_deleted_at is not None


async def test_overdue_call_is_ended_at_livekit(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    call = talking(ours, answered_at=database_now() - timedelta(hours=1))
    livekit.participants[call.room] = [callee_of(call)]

    await polling.reconcile_calls(livekit, inline_db)

    call.refresh_from_db()
    assert (livekit.deleted, call.end_reason) == ([call.room], "max_duration")


async def test_overdue_call_whose_callee_has_left_is_not_ended_twice(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    call = talking(ours, answered_at=database_now() - timedelta(hours=1))
    livekit.participants[call.room] = [api.ParticipantInfo(identity="agent-1")]

    await polling.reconcile_calls(livekit, inline_db)

    call.refresh_from_db()
    assert (livekit.deleted, call.end_reason) == ([], "left_unnoticed")


async def test_call_past_its_maximum_ends_although_its_agent_goes_on_reporting(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    now = database_now()
    then = now - timedelta(hours=1)
    call = talking(ours, dialed_at=then, answered_at=then, heard_at=now)
    livekit.participants[call.room] = [callee_of(call, "active")]

    await polling.reconcile_calls(livekit, inline_db)

    call.refresh_from_db()
    assert (livekit.deleted, call.end_reason) == ([call.room], "max_duration")
    assert call.ended_at == then + timedelta(seconds=600)


@pytest.mark.parametrize("method", ["list_participants", "delete_room"])
async def test_call_past_its_maximum_ends_although_livekit_does_not_help(
    ours: Workspace, livekit: Any, inline_db: Any, method: str
) -> None:
    call = talking(ours, answered_at=database_now() - timedelta(hours=1))
    livekit.participants[call.room] = [callee_of(call, "active")]
    livekit.failures[method] = server_error(500)

    await polling.reconcile_calls(livekit, inline_db)

    call.refresh_from_db()
    assert (call.stage, call.end_reason) == (Stage.ENDED, "max_duration")
    assert call.events.filter(type="alarm").count() == 1


async def test_silent_call_is_left_alone_while_livekit_cannot_be_asked(
    ours: Workspace, livekit: Any, inline_db: Any, caplog: pytest.LogCaptureFixture
) -> None:
    call = talking(ours)
    livekit.failures["list_participants"] = server_error(503)

    await polling.reconcile_calls(livekit, inline_db)

    call.refresh_from_db()
    assert call.stage == Stage.IN_PROGRESS
    assert f"Call {call.pk} is silent and LiveKit cannot be asked" in caplog.text


async def test_call_that_fails_unexpectedly_does_not_keep_the_others(
    ours: Workspace, livekit: Any, inline_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, silent = talking(ours, heard_at=database_now() - 2 * SILENT), talking(ours)
    record_presence = polling.record_presence

    def fail_for_one(call: Call, present: list[Participant]) -> None:
        if call.pk == broken.pk:
            raise KeyError("a surprise")
        record_presence(call, present)

    monkeypatch.setattr(polling, "record_presence", fail_for_one)

    await polling.reconcile_calls(livekit, inline_db)

    silent.refresh_from_db()
    assert silent.stage == Stage.ENDED


async def test_round_ends_when_the_database_is_away(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    talking(ours)
    inline_db.failures["record_presence"] = OperationalError("gone")

    with pytest.raises(OperationalError):
        await polling.reconcile_calls(livekit, inline_db)


async def test_livekit_is_asked_about_twenty_calls_at_a_time(
    ours: Workspace, livekit: Any, inline_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(25):
        talking(ours)
    asked, most = 0, 0

    async def ask(*_: Any) -> list[Participant]:
        nonlocal asked, most
        asked += 1
        most = max(most, asked)
        await asyncio.sleep(0.001)
        asked -= 1
        return []

    monkeypatch.setattr(polling, "list_participants", ask)

    await polling.reconcile_calls(livekit, inline_db)

    assert most == polling.MAX_CONCURRENT_QUERIES


async def test_inbound_call_that_rings_ends_by_our_clock_while_livekit_is_away(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    """Neither its rooms nor who is in them can be asked for, for as long as it takes."""
    make.phone_number(ours, inbound_agent=make.agent(ours))
    ringing_at = database_now() - timedelta(seconds=41)
    call = make.call(ours, direction="inbound", stage=Stage.RINGING, ringing_at=ringing_at)
    Call.unscoped.filter(pk=call.pk).update(room="inbound-1")
    livekit.failures = dict.fromkeys(("list_rooms", "list_participants"), server_error(503))

    followed = await inbound.follow_inbound_calls(livekit, inline_db)

    call.refresh_from_db()
    assert (followed, call.stage, call.outcome) == (1, Stage.ENDED, "unknown")
