"""Errors nobody expected, in a shift: they end what they concern, and no call."""

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
from tests.faults.conftest import Line, outcomes
from voiceops.core.ids import uuid7
from voiceops.core.orm_thread import OrmThread
from worker import dispatcher


@pytest.mark.slow
def test_shift_that_cannot_claim_hears_out_those_whose_phones_ring(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = line.batch("71")
    claim_as_ever = reservation.numbers_with_work

    def until_somebody_is_called() -> Any:
        if Call.unscoped.exclude(stage=Stage.RESERVED).exists():
            raise KeyError("a surprise")
        return claim_as_ever()

    monkeypatch.setattr(reservation, "numbers_with_work", until_somebody_is_called)

    with pytest.raises(KeyError):
        dispatcher.run_dispatcher()

    settlement.settle_calls()
    assert outcomes(batch) == {"71": ("failed", "busy", 1)}


@pytest.mark.slow
def test_shift_goes_on_dialling_when_ends_cannot_be_noted(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = line.batch("72")
    noted = settlement.mark_in_call

    def fails_at_first() -> None:
        monkeypatch.setattr(settlement, "mark_in_call", noted)
        raise KeyError("a surprise")

    monkeypatch.setattr(settlement, "mark_in_call", fails_at_first)

    dispatcher.run_dispatcher()

    assert outcomes(batch) == {"72": ("failed", "busy", 1)}


@pytest.mark.slow
def test_variables_longer_than_livekit_takes_concern_one_person_and_no_batch(line: Line) -> None:
    batch = line.batch("71", "72")
    person = batch.recipients.earliest("row_number")
    person.values = [person.phone_number, "x" * 600_000]
    person.save(update_fields=["values"])

    line.run(batch)

    assert outcomes(batch) == {"71": ("skipped", None, 0), "72": ("failed", "busy", 1)}
    person.refresh_from_db()
    assert (person.reason, batch.status, batch.error) == ("variables_too_long", "completed", None)


def test_call_that_cannot_be_prepared_is_not_held_for_ever(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> str:
        raise KeyError("a surprise")

    monkeypatch.setattr(dialer, "metadata_of", fails)

    async def prepare(job: Job) -> bool:
        async with OrmThread() as db, session() as livekit:
            dialler = dialer.Dialer(
                livekit=livekit,
                gate=BatchGate(),
                owner=uuid7(),
                intent_db=db,
                db=db,
                on_answered=start_recordings,
            )
            dialler.add([job])
            await asyncio.wait(dialler.tasks)
            return dialler.busy

    assert asyncio.run(prepare(Job(call=make.call(ours), trunk_id="ST_1", config={}))) is False
