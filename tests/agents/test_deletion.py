import threading
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone

from accounts.models import Workspace
from agents.models import Agent
from agents.services import delete_agent
from batches.models import Batch
from batches.services.batches import start_batch
from tests import make
from voiceops.core.errors import StateForbids
from voiceops.core.ids import uuid7

NOT_FOUND = {"detail": "Agent not found"}


def test_deleted_agent_is_not_found_and_its_history_stays(ours: Workspace) -> None:
    agent = make.agent(ours)
    call = make.call(ours, agent=agent)
    client = make.client(ours)

    deleted = client.delete(f"/agents/{agent.pk}")

    call.refresh_from_db()
    assert (deleted.status_code, deleted.json()) == (200, {"detail": "Deleted"})
    assert (call.agent, agent.versions.count()) == (agent, 1)
    for answer in (
        client.get(f"/agents/{agent.pk}"),
        client.delete(f"/agents/{agent.pk}"),
        client.post(f"/agents/{agent.pk}/publish"),
    ):
        assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
    assert client.get("/agents").json()["total"] == 0


@pytest.mark.parametrize(
    ("status", "refused"), [("running", True), ("paused", False), ("completed", False)]
)
def test_agent_of_a_running_batch_cannot_be_deleted(
    ours: Workspace, status: str, refused: bool
) -> None:
    agent = make.agent(ours)
    make.batch(ours, agent=agent, status=Batch.Status(status))

    response = make.client(ours).delete(f"/agents/{agent.pk}")

    in_use = (400, {"detail": "Agent is in use by a running batch"})
    assert (response.status_code, response.json()) == (
        in_use if refused else (200, {"detail": "Deleted"})
    )
    agent.refresh_from_db()
    assert (agent.deleted_at is None) is refused


@pytest.mark.parametrize("probe", [{"probe_at": timezone.now()}, {"probe_call_id": uuid7()}])
def test_agent_of_a_probing_batch_cannot_be_deleted(ours: Workspace, probe: dict[str, Any]) -> None:
    agent = make.agent(ours)
    make.batch(ours, agent=agent, status=Batch.Status.PAUSED, error="The trunk is gone.", **probe)

    response = make.client(ours).delete(f"/agents/{agent.pk}")

    assert (response.status_code, response.json()) == (
        400,
        {"detail": "Agent is in use by a running batch"},
    )


@pytest.mark.django_db(transaction=True)
def test_agent_cannot_be_deleted_while_its_batch_is_being_started() -> None:
    batch, refusals = make.batch(make.workspace()), []
    make.recipient(batch)

    def delete() -> None:
        try:
            delete_agent(agent=Agent.unscoped.get(pk=batch.agent_id))
        except StateForbids as refusal:
            refusals.append(str(refusal))
        finally:
            connections.close_all()

    thread = threading.Thread(target=delete)
    with transaction.atomic():
        start_batch(batch=batch)
        thread.start()
        thread.join(0.5)  # waits for the lock of the open transaction
    thread.join()

    assert refusals == ["Agent is in use by a running batch"]
