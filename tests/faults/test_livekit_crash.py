"""LiveKit dies while phones ring or talk: nobody who answered is called again, and every call ends.

What is lost with it is written in `docs/reference/real-livekit.md §2.1` and
`docs/reference/real-livekit.md §2.2`.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from batches.models import Batch
from telephony.domain import latest_ends
from telephony.models import Call, Stage
from tests import make
from tests.faults.conftest import Installation, results_of

RETRIES = {"max_attempts": 3, "delay_minutes": [0], "outcomes": ["no_answer", "busy"]}


@pytest.fixture(autouse=True)
def short_margins(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.USES_SANDBOX = True
    monkeypatch.setattr(latest_ends, "RINGING_MARGIN", timedelta(seconds=4))
    monkeypatch.setattr(latest_ends, "DURATION_MARGIN", timedelta(seconds=4))


def crashing(
    installation: Installation, what: str, *, when: Stage, down_seconds: float = 1.0
) -> Callable[[Batch], bool]:
    """Crash that part of LiveKit once a call has come so far; true when the batch is over."""
    crashed: list[str] = []

    def check(batch: Batch) -> bool:
        if not crashed and Call.unscoped.filter(stage=when).exists():
            crashed.append(what)
            installation.sandbox.crash(what, down_seconds=down_seconds, stale=True)
        return bool(crashed) and batch.status in Batch.Status.final()

    return check


def behave(installation: Installation, **behaviour: Any) -> None:
    installation.sandbox.set_behaviours({"+12025550001": behaviour})


@pytest.mark.parametrize("what", ["server", "sip", "both"])
def test_callee_who_rings_during_a_crash_is_called_once_or_proven_unanswered(
    installation: Installation, what: str
) -> None:
    # It rings for long enough that the test sees it, also on a busy machine.
    behave(installation, answer_after=65, talk=60)
    agent = make.agent(installation.workspace, ringing_timeout_seconds=80)
    batch = installation.create_batch("01", agent=agent, retry=RETRIES)

    installation.run_batch(batch, until=crashing(installation, what, when=Stage.RINGING))

    status, outcome, _ = results_of(batch)["01"]
    assert (status, outcome) in [("completed", "answered"), ("review", "unknown")]
    assert len(installation.sandbox.dials()) == 1
    assert not Call.unscoped.exclude(stage=Stage.ENDED).exists()


@pytest.mark.parametrize("what", ["server", "sip", "both"])
def test_callee_who_talks_during_a_crash_stays_answered_and_the_call_ends(
    installation: Installation, what: str
) -> None:
    behave(installation, answer_after=2, talk=160)
    batch = installation.create_batch("01", retry=RETRIES)

    installation.run_batch(batch, until=crashing(installation, what, when=Stage.IN_PROGRESS))

    assert results_of(batch)["01"] == ("completed", "answered", 1)
    assert len(installation.sandbox.dials()) == 1
    assert not Call.unscoped.exclude(stage=Stage.ENDED).exists()
