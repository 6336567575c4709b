"""One round of the sweep: a step that fails costs its own work and nothing else, a lost database
ends the round.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection

from batches.dialing import settlement
from telephony.services import maintenance
from voiceops.core import task_queue
from voiceops.core.isolation import gather_isolated
from worker import dispatcher, sweep
from worker.periodic import sweeping

STEPS = {
    "apply_pending_events": maintenance,
    "suppress_opt_outs": sweep,
    "start_due_batches": sweep,
    "find_overdue_imports": sweep,
    "reconcile_calls": maintenance,
    "follow_inbound_calls": maintenance,
    "follow_recordings": maintenance,
    "close_unused_web_calls": maintenance,
    "mark_in_call": settlement,
    "settle_calls": settlement,
    "complete_all": settlement,
    "clean_provisioning": maintenance,
}


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the steps that were taken, in order."""
    names: list[str] = []
    for name, module in STEPS.items():
        monkeypatch.setattr(module, name, noting(name, names))
    return names


def noting(name: str, names: list[str]) -> Callable[..., Any]:
    def step(*_: Any, **__: Any) -> Any:
        names.append(name)
        return settlement.Settlement() if name == "settle_calls" else []

    return step


@pytest.mark.parametrize("failing", STEPS)
@pytest.mark.django_db
def test_step_that_fails_keeps_no_other_from_its_work(
    taken: list[str],
    failing: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise KeyError("a surprise")

    monkeypatch.setattr(STEPS[failing], failing, fails)

    sweep.sweep()

    assert taken == [name for name in STEPS if name != failing]
    assert [(record.levelname, record.exc_info is not None) for record in caplog.records] == [
        ("ERROR", True)
    ]


@pytest.mark.django_db(transaction=True)
def test_lost_database_ends_the_round_without_a_word(
    taken: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def lost(*_: Any) -> Any:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(sweep, "suppress_opt_outs", lost)

    with pytest.raises(OperationalError), connection.execute_wrapper(lost):
        sweep.sweep()

    assert taken == ["apply_pending_events"]
    assert caplog.records == []


@pytest.mark.django_db(transaction=True)
def test_question_that_took_too_long_is_no_lost_database(
    taken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow() -> Any:
        raise OperationalError("canceling statement due to statement timeout")

    monkeypatch.setattr(sweep, "suppress_opt_outs", slow)

    sweep.sweep()

    assert taken == [name for name in STEPS if name != "suppress_opt_outs"]


@pytest.mark.django_db
def test_heart_sees_to_dialling_although_lists_cannot_be_looked_for(
    taken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []

    def fails() -> Any:
        raise KeyError("a surprise")

    def ring(job: str, **_: Any) -> bool:
        rung.append(job)
        return True

    monkeypatch.setattr(sweeping, "find_overdue_imports", fails)
    monkeypatch.setattr(dispatcher, "work_is_left", lambda: True)
    monkeypatch.setattr(task_queue, "enqueue", ring)

    sweeping.SweepThread().run_once()

    assert rung == [task_queue.RUN_DISPATCHER]


@pytest.mark.django_db
def test_heart_takes_a_lost_database_for_everybodys_news(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    beating = sweeping.SweepThread()

    def lost() -> None:
        beating.stopped.set()
        raise OperationalError("gone")

    monkeypatch.setattr("django.conf.settings.SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(beating, "run_once", lost)

    beating.run()

    assert [(record.levelname, record.exc_info) for record in caplog.records] == [("WARNING", None)]


def test_shift_that_dies_without_a_broker_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        raise KeyError("a surprise")

    sweeping.run_and_close(fails)

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "A shift failed")
    ]


def test_call_that_cannot_be_looked_into_keeps_nobody_else_waiting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[str] = []

    async def look(name: str, error: Exception | None = None) -> None:
        if error is not None:
            raise error
        await asyncio.sleep(0)
        seen.append(name)

    with pytest.raises(OperationalError):
        asyncio.run(
            gather_isolated(
                [
                    look("first", KeyError("x")),
                    look("second", OperationalError("gone")),
                    look("third"),
                ]
            )
        )

    assert seen == ["third"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
