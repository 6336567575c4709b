"""Pausing and stopping a batch while it is being called."""

import time

import pytest

from accounts.roles import Role
from batches.models import Batch
from telephony.models import Call
from tests import make
from tests.faults.conftest import Installation, results_of

pytestmark = [pytest.mark.slow]

# These callees talk until the other side hangs up.
ENDLESS_TALKERS = ["95", "96", "97"]
TALKERS = [f"{n:02}" for n in range(50)]
# How long after the response to a pause an INVITE may still be sent.
PAUSE_LEEWAY_SECONDS = 2.0


def is_talking(batch: Batch) -> bool:
    return Call.unscoped.filter(batch_id=batch.pk, stage="in_progress").count() >= 3


def test_pausing_takes_effect_within_two_seconds_and_resuming_calls_the_rest(
    installation: Installation,
) -> None:
    batch = installation.create_batch(*TALKERS)
    client = make.client(installation.workspace, Role.MANAGER)
    paused_at: list[float] = []

    def pause_in_the_middle(batch: Batch) -> bool:
        if not paused_at and len(installation.sandbox.dials()) >= 5:
            assert client.post(f"/batches/{batch.pk}/pause").json()["status"] == "paused"
            paused_at.append(time.time())
        return bool(paused_at) and time.time() > paused_at[0] + PAUSE_LEEWAY_SECONDS + 1.5

    installation.run_batch(batch, until=pause_in_the_middle)
    dialed = installation.sandbox.dials()
    assert 5 <= len(dialed) < len(TALKERS)
    assert max(dial["at"] for dial in dialed) <= paused_at[0] + PAUSE_LEEWAY_SECONDS

    assert client.post(f"/batches/{batch.pk}/resume").json()["status"] == "running"
    installation.run_batch(batch)

    assert sorted(dial["number"][-2:] for dial in installation.sandbox.dials()) == TALKERS
    assert set(results_of(batch).values()) == {("completed", "answered", 1)}


def test_stopping_with_hang_up_ends_every_call_at_once(installation: Installation) -> None:
    # So slowly that some are not called yet when it is stopped.
    batch = installation.create_batch(*ENDLESS_TALKERS, *TALKERS, calls_per_second=5)
    client = make.client(installation.workspace, Role.MANAGER)
    answers: list[str] = []

    def stop_in_the_middle(batch: Batch) -> bool:
        if not answers and is_talking(batch):
            answers.append(
                client.post(f"/batches/{batch.pk}/stop", {"hang_up_active": True}).json()["status"]
            )
        # One that was being dialled ends when LiveKit has answered.
        return bool(answers) and not Call.unscoped.open().filter(batch_id=batch.pk).exists()

    installation.run_batch(batch, until=stop_in_the_middle)

    assert answers == ["stopped"]
    box = installation.sandbox
    box.wait_for(lambda: all(call["ended_at"] is not None for call in box.calls()))
    assert {status for status, _, _ in results_of(batch).values()} == {"completed", "cancelled"}
    hung_up = Call.unscoped.filter(batch_id=batch.pk, hung_up_by="operator")
    assert set(hung_up.values_list("outcome", flat=True)) <= {"answered", "cancelled"}
    assert hung_up.exists()
