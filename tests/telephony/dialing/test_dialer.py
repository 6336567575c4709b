"""The dialer's steps around a dial, one by one, with LiveKit played in memory."""

import asyncio
import logging
import time
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from django.conf import settings
from django.db import OperationalError

from telephony.dialing import dialer as dialer_module
from telephony.dialing.dialer import Dialer
from telephony.dialing.protocol import AGENT_JOIN_SECONDS
from telephony.domain.agent_metadata import MAX_METADATA_BYTES
from telephony.models import Call, PhoneNumber, Stage
from tests.telephony.dialing.conftest import intent, reserved, stored
from tests.telephony.dialing.dialers import ENDED_UNSENT, end_of, make_ready, settle
from tests.telephony.dialing.fakes import FakeLiveKit, InlineDatabase, server_error
from voiceops.core.clock import database_now

# --- prepare


async def test_room_is_made_with_the_agent_and_its_metadata(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    job = reserved(number)

    dialer.add([job])
    await settle(dialer)

    [room] = livekit.created
    assert (room.name, room.max_participants) == (job.call.room, 1)
    assert room.empty_timeout == int(settings.DIAL_FENCE_SECONDS) + 60
    [agent] = room.agents
    assert agent.agent_name == settings.LIVEKIT_AGENT_NAME
    assert str(job.call.pk) in agent.metadata


async def test_call_with_a_room_waits_for_its_agent(dialer: Dialer, number: PhoneNumber) -> None:
    job = reserved(number)

    dialer.add([job])
    await settle(dialer)

    assert list(dialer.awaiting_agent) == [job.call.pk]
    assert (dialer.held, dialer.busy) == (1, True)


async def test_call_whose_room_cannot_be_made_is_closed_unsent(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    job = reserved(number)
    livekit.failures["create_room"] = aiohttp.ClientConnectionError()

    dialer.add([job])
    await settle(dialer)

    assert end_of(job) == ENDED_UNSENT
    assert stored(job).end_reason == "livekit_unreachable"
    assert not dialer.busy


async def test_refused_key_is_the_reason_when_livekit_refuses_it(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    job = reserved(number)
    livekit.failures["create_room"] = server_error(401)

    dialer.add([job])
    await settle(dialer)

    assert stored(job).end_reason == "livekit_key_refused"


async def test_metadata_that_livekit_would_refuse_is_not_sent(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    job = reserved(number, variables={"story": "x" * MAX_METADATA_BYTES})

    dialer.add([job])
    await settle(dialer)

    assert stored(job).end_reason == "variables_too_long"
    assert livekit.created == []


async def test_call_that_fails_unexpectedly_is_not_held(
    dialer: Dialer,
    number: PhoneNumber,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(*_: Any) -> str:
        raise KeyError("a surprise")

    monkeypatch.setattr(dialer_module, "metadata_of", fails)

    dialer.add([reserved(number)])
    await settle(dialer)

    assert not dialer.busy
    assert "A step of the dialer failed" in caplog.text


# --- watch_agents


async def test_call_is_ready_once_its_agent_has_joined(dialer: Dialer, number: PhoneNumber) -> None:
    joined, waiting = reserved(number), reserved(number, agent_joined_at=None)
    for job in (joined, waiting):
        dialer.awaiting_agent[job.call.pk] = (job, time.monotonic())

    await dialer.watch_agents()

    assert list(dialer.ready) == [joined.call.pk]
    assert list(dialer.awaiting_agent) == [waiting.call.pk]


async def test_call_whose_agent_never_joins_is_closed_with_its_room(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    job = reserved(number, agent_joined_at=None)
    dialer.awaiting_agent[job.call.pk] = (job, time.monotonic() - AGENT_JOIN_SECONDS - 1)

    await dialer.watch_agents()
    await settle(dialer)

    assert stored(job).end_reason == "no_agent"
    assert livekit.deleted == [job.call.room]
    assert not dialer.busy


async def test_database_is_not_asked_while_no_call_waits_for_an_agent(
    dialer: Dialer, inline_db: InlineDatabase
) -> None:
    inline_db.failures["calls_with_agent"] = OperationalError("must not be asked")

    await dialer.watch_agents()

    assert "calls_with_agent" in inline_db.failures


# --- renew_leases


async def test_leases_of_all_held_calls_are_renewed(dialer: Dialer, number: PhoneNumber) -> None:
    soon = database_now() + timedelta(seconds=1)
    preparing, waiting, ready = (reserved(number, lease_expires_at=soon) for _ in range(3))
    dialer.preparing[preparing.call.pk] = preparing
    dialer.awaiting_agent[waiting.call.pk] = (waiting, time.monotonic())
    make_ready(dialer, ready)

    await dialer.renew_leases()

    leases = [stored(job).lease_expires_at for job in (preparing, waiting, ready)]
    assert all(lease is not None and lease > soon for lease in leases)


async def test_answer_to_a_call_that_has_ended_is_no_longer_awaited(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    livekit.rings_until = asyncio.Event()
    job = reserved(number)
    make_ready(dialer, job)
    await dialer.commit_intents()
    await asyncio.sleep(0.01)
    assert dialer.in_flight
    Call.unscoped.filter(pk=job.call.pk).update(stage=Stage.ENDED)

    await dialer.renew_leases()
    await settle(dialer)

    assert not dialer.busy


# --- release


async def test_release_gives_back_everything_that_was_not_dialled(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    waiting, ready = reserved(number), reserved(number)
    dialer.awaiting_agent[waiting.call.pk] = (waiting, time.monotonic())
    make_ready(dialer, ready)

    await dialer.release()

    assert [end_of(job) for job in (waiting, ready)] == [ENDED_UNSENT] * 2
    assert [stored(job).end_reason for job in (waiting, ready)] == ["released"] * 2
    assert set(livekit.deleted) == {waiting.call.room, ready.call.room}
    assert not dialer.busy


async def test_release_leaves_calls_alone_whose_intent_is_being_committed(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber
) -> None:
    job = intent(number)
    make_ready(dialer, job)

    await dialer.release()

    assert (stored(job).stage, livekit.deleted) == (Stage.INTENT, [])


async def test_room_that_cannot_be_deleted_closes_by_itself(
    dialer: Dialer, livekit: FakeLiveKit, number: PhoneNumber, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    livekit.failures["delete_room"] = TimeoutError()
    make_ready(dialer, reserved(number))

    await dialer.release()

    assert "will close by itself: LiveKit error: no answer in time" in caplog.text


# --- run


async def test_step_goes_on_after_the_database_was_away(
    dialer: Dialer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dialer_module, "DATABASE_RETRY_SECONDS", 0.0)
    stop, runs = asyncio.Event(), 0

    async def step() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise OperationalError("gone")
        stop.set()

    await dialer.repeat(step, 0.0, stop)

    assert runs == 2
    assert "The database cannot be reached, trying again: gone" in caplog.text


async def test_call_goes_from_reserved_to_answered(
    dialer: Dialer,
    livekit: FakeLiveKit,
    answered: list[Call],
    number: PhoneNumber,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dialer_module, "LEASE_RENEWAL_SECONDS", 0.01)
    stop = asyncio.Event()
    running = asyncio.create_task(dialer.run(stop))
    job = reserved(number)

    dialer.add([job])
    async with asyncio.timeout(5):
        while not answered:
            await asyncio.sleep(0.01)
    stop.set()
    await running

    assert stored(job).stage == Stage.IN_PROGRESS
    assert (len(livekit.created), len(livekit.dialled)) == (1, 1)
