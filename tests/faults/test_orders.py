"""Orders given to a batch while it is being called."""

import time

import pytest

from accounts.roles import Role
from batches.models import Batch
from telephony.models import Call
from tests import make
from tests.faults.conftest import Line, outcomes

pytestmark = [pytest.mark.slow]

UNENDING = ["95", "96", "97"]  # they talk until somebody ends it
TALKERS = [f"{n:02}" for n in range(50)]
SLACK = 2.0  # seconds after the answer to an order in which an INVITE may still leave


def is_talking(batch: Batch) -> bool:
    return Call.unscoped.filter(batch_id=batch.pk, stage="in_progress").count() >= 3


def test_no_invite_leaves_two_seconds_after_a_pause_and_resuming_calls_the_rest(line: Line) -> None:
    batch = line.batch(*TALKERS)
    client = make.client(line.workspace, Role.MANAGER)
    paused_at: list[float] = []

    def pause_in_the_middle(batch: Batch) -> bool:
        if not paused_at and len(line.box.dials()) >= 5:
            assert client.post(f"/batches/{batch.pk}/pause").json()["status"] == "paused"
            paused_at.append(time.time())
        return bool(paused_at) and time.time() > paused_at[0] + SLACK + 1.5

    line.run(batch, until=pause_in_the_middle)
    dialled = line.box.dials()
    assert 5 <= len(dialled) < len(TALKERS)
    assert max(dial["at"] for dial in dialled) <= paused_at[0] + SLACK

    assert client.post(f"/batches/{batch.pk}/resume").json()["status"] == "running"
    line.run(batch)

    assert sorted(dial["number"][-2:] for dial in line.box.dials()) == TALKERS
    assert set(outcomes(batch).values()) == {("completed", "answered", 1)}


def test_stopping_with_hang_up_ends_every_call_at_once(line: Line) -> None:
    batch = line.batch(*UNENDING, *TALKERS)
    client = make.client(line.workspace, Role.MANAGER)
    answers: list[str] = []

    def stop_in_the_middle(batch: Batch) -> bool:
        if not answers and is_talking(batch):
            answers.append(
                client.post(f"/batches/{batch.pk}/stop", {"hang_up_active": True}).json()["status"]
            )
        return bool(answers)

    line.run(batch, until=stop_in_the_middle)

    assert answers == ["stopped"]
    assert not Call.unscoped.open().filter(batch_id=batch.pk).exists()
    assert [call for call in line.box.calls() if call["ended_at"] is None] == []
    assert {status for status, _, _ in outcomes(batch).values()} == {"completed", "cancelled"}
    hung_up = Call.unscoped.filter(batch_id=batch.pk, hung_up_by="operator")
    assert set(hung_up.values_list("outcome", flat=True)) <= {"answered", "cancelled"}
    assert hung_up.exists()
