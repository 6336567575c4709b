"""Unexpected errors in a dispatcher: they affect what they occur in, and no other call."""

import asyncio
from typing import Any

import pytest

from accounts.models import Workspace
from batches.dialing import reservation, settlement
from batches.dialing.admission import BatchGate
from telephony.clients.livekit.session import session
from telephony.dialing import dialer
from telephony.dialing.jobs import Job
from telephony.models import Call, Stage
from telephony.services.recordings import start_recordings
from tests import make
from tests.faults.conftest import Installation, results_of
from voiceops.core.ids import uuid7
from voiceops.core.orm_thread import OrmThread
from worker import dispatcher


@pytest.mark.slow
def test_a_dispatcher_that_cannot_reserve_waits_for_calls_in_progress(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = installation.create_batch("71")
    original = reservation.numbers_with_work

    def fail_once_a_call_is_under_way() -> Any:
        if Call.unscoped.exclude(stage=Stage.RESERVED).exists():
            raise KeyError("unexpected")
        return original()

    monkeypatch.setattr(reservation, "numbers_with_work", fail_once_a_call_is_under_way)

    with pytest.raises(KeyError):
        dispatcher.run_dispatcher()

    settlement.settle_calls()
    assert results_of(batch) == {"71": ("failed", "busy", 1)}


@pytest.mark.slow
def test_a_dispatcher_continues_when_calls_cannot_be_marked(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = installation.create_batch("72")
    original = settlement.mark_in_call

    def fail_the_first_time() -> None:
        monkeypatch.setattr(settlement, "mark_in_call", original)
        raise KeyError("unexpected")

    monkeypatch.setattr(settlement, "mark_in_call", fail_the_first_time)

    dispatcher.run_dispatcher()

    assert results_of(batch) == {"72": ("failed", "busy", 1)}


@pytest.mark.slow
def test_variables_that_livekit_would_refuse_skip_one_recipient_only(
    installation: Installation,
) -> None:
    batch = installation.create_batch("71", "72")
    recipient = batch.recipients.earliest("row_number")
    recipient.values = [recipient.phone_number, "x" * 600_000]
    recipient.save(update_fields=["values"])

    installation.run_batch(batch)

    assert results_of(batch) == {"71": ("skipped", None, 0), "72": ("failed", "busy", 1)}
    recipient.refresh_from_db()
    assert (recipient.reason, batch.status, batch.error) == (
        "variables_too_long",
        "completed",
        None,
    )


def test_a_call_that_cannot_be_prepared_is_released(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> str:
        raise KeyError("unexpected")

    monkeypatch.setattr(dialer, "metadata_of", fail)

    async def prepare(job: Job) -> bool:
        async with OrmThread() as db, session() as livekit:
            its_dialer = dialer.Dialer(
                livekit=livekit,
                gate=BatchGate(),
                owner=uuid7(),
                intent_db=db,
                db=db,
                on_answered=start_recordings,
            )
            its_dialer.add([job])
            await asyncio.wait(its_dialer.tasks)
            return its_dialer.busy

    assert asyncio.run(prepare(Job(call=make.call(ours), trunk_id="ST_1", config={}))) is False
