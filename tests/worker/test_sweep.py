"""One sweep: a failing round does not stop the others, a lost database ends the sweep."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection

from voiceops.core.isolation import gather_isolated
from worker import sweep

ROUNDS = [
    "apply_pending_events",
    "suppress_opt_outs",
    "start_due_batches",
    "cancel_rest_of_stopped",
    "enqueue_overdue_imports",
    "report_rehearsing",
    "enqueue_waiting_rehearsals",
    "enqueue_due_reports",
    "reconcile_calls",
    "follow_inbound_calls",
    "follow_recordings",
    "close_unused_web_calls",
    "mark_recipients_in_call",
    "settle_ended_calls",
    "apply_dispositions",
    "follow_callbacks",
    "complete_batches",
    "clean_provisioning",
]


class Recorder:
    """Stands in for the sweep's rounds and records which of them ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.errors: dict[str, Callable[[], Any]] = {}

    def round(self, name: str) -> Callable[[], Any]:
        def run() -> None:
            if name in self.errors:
                self.errors[name]()
            self.ran.append(name)

        return run


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    rounds = [recorder.round(real.__name__) for real in sweep.ROUNDS]
    monkeypatch.setattr(sweep, "ROUNDS", rounds)
    return recorder


@pytest.mark.parametrize("failing", ROUNDS)
@pytest.mark.django_db
def test_failing_round_does_not_stop_the_others(
    recorder: Recorder, failing: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> Any:
        raise KeyError("a surprise")

    recorder.errors[failing] = fails

    sweep.sweep()

    assert recorder.ran == [name for name in ROUNDS if name != failing]
    assert [(record.levelname, record.exc_info is not None) for record in caplog.records] == [
        ("ERROR", True)
    ]


@pytest.mark.django_db(transaction=True)
def test_lost_database_ends_the_sweep_without_a_log_line(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    def lost(*_: Any) -> Any:
        raise OperationalError("server closed the connection unexpectedly")

    recorder.errors["suppress_opt_outs"] = lost

    with pytest.raises(OperationalError), connection.execute_wrapper(lost):
        sweep.sweep()

    assert recorder.ran == ["apply_pending_events"]
    assert caplog.records == []


@pytest.mark.django_db(transaction=True)
def test_statement_timeout_is_not_a_lost_database(recorder: Recorder) -> None:
    def slow() -> Any:
        raise OperationalError("canceling statement due to statement timeout")

    recorder.errors["suppress_opt_outs"] = slow

    sweep.sweep()

    assert recorder.ran == [name for name in ROUNDS if name != "suppress_opt_outs"]


def test_one_failing_question_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    finished: list[str] = []

    async def ask(name: str, error: Exception | None = None) -> None:
        if error is not None:
            raise error
        await asyncio.sleep(0)
        finished.append(name)

    with pytest.raises(OperationalError):
        asyncio.run(
            gather_isolated(
                [
                    ask("first", KeyError("x")),
                    ask("second", OperationalError("gone")),
                    ask("third"),
                ]
            )
        )

    assert finished == ["third"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
