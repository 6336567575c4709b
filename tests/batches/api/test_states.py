import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from accounts.models import AuditEntry, Workspace
from batches.dialing.settlement import complete_all, complete_batches
from batches.models import Batch
from batches.services import batches
from batches.services.automatic_start import after_import, start_due_batches
from batches.services.batches import cancel_rest_of_stopped, start_batch
from tests import make
from voiceops.core.errors import StateForbids

Status = Batch.Status
REFUSALS = {
    ("start", "validating"): "Batch is still validating",
    ("start", "running"): "Batch is already running",
    ("start", "paused"): "Batch is paused",
    ("start", "completed"): "Batch has ended",
    ("start", "stopped"): "Batch has ended",
    ("start", "failed"): "Batch has ended",
    ("stop", "validating"): "Batch is still validating",
    ("stop", "completed"): "Batch has ended",
    ("stop", "stopped"): "Batch has ended",
    ("stop", "failed"): "Batch has ended",
    **{
        ("pause", status): "Batch is not running" for status in Status.values if status != "running"
    },
    **{("resume", status): "Batch is not paused" for status in Status.values if status != "paused"},
}
TRANSITIONS = {
    ("start", "ready"): "running",
    ("start", "scheduled"): "running",
    ("pause", "running"): "paused",
    ("resume", "paused"): "running",
    ("stop", "ready"): "stopped",
    ("stop", "scheduled"): "stopped",
    ("stop", "running"): "stopped",
    ("stop", "paused"): "stopped",
}


@pytest.mark.parametrize(("action", "status"), REFUSALS)
def test_action_that_the_status_forbids_is_refused(
    ours: Workspace, action: str, status: str
) -> None:
    batch = make.batch(ours, status=status)
    make.recipient(batch)

    response = make.client(ours).post(f"/batches/{batch.pk}/{action}")

    assert (response.status_code, response.json()) == (400, {"detail": REFUSALS[action, status]})
    batch.refresh_from_db()
    assert batch.status == status


@pytest.mark.parametrize(("action", "status"), TRANSITIONS)
def test_action_changes_status_and_is_audited(ours: Workspace, action: str, status: str) -> None:
    batch = make.batch(ours, status=status)
    make.recipient(batch)

    response = make.client(ours).post(f"/batches/{batch.pk}/{action}", {})

    assert (response.status_code, response.json()["status"]) == (200, TRANSITIONS[action, status])
    entry = AuditEntry.unscoped.get(object_id=str(batch.pk))
    assert entry.action == {
        "start": "batch.started",
        "pause": "batch.paused",
        "resume": "batch.resumed",
    }.get(action, "batch.stopped")


def test_stop_cancels_waiting_recipients(ours: Workspace) -> None:
    batch = make.batch(ours, status=Status.RUNNING, started_at=timezone.now())
    waiting, retrying = make.recipient(batch), make.recipient(batch, status="retrying", attempts=1)
    talking = make.recipient(batch, status="in_call", due_at=None)

    response = make.client(ours).post(f"/batches/{batch.pk}/stop")

    for recipient in (waiting, retrying, talking):
        recipient.refresh_from_db()
    assert [(p.status, p.reason, p.due_at) for p in (waiting, retrying, talking)] == [
        ("cancelled", "batch_stopped", None),
        ("cancelled", "batch_stopped", None),
        ("in_call", None, None),
    ]
    assert response.json()["ended_at"] is not None
    assert response.json()["counts"]["cancelled"] == 2


def test_stop_of_a_long_list_is_answered_before_all_are_cancelled(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million take minutes, for which neither the request waits nor whoever wants the batch."""
    monkeypatch.setattr(batches, "CANCEL_CHUNK_ROWS", 2)
    monkeypatch.setattr(batches, "CANCEL_SECONDS", 0)
    batch = make.batch(ours, status=Status.RUNNING, started_at=timezone.now())
    for _ in range(5):
        make.recipient(batch)

    stopped = make.client(ours).post(f"/batches/{batch.pk}/stop").json()
    cancelled = [stopped["counts"]["cancelled"]]
    for _ in range(3):
        cancel_rest_of_stopped()
        cancelled.append(batch.recipients.filter(status="cancelled").count())

    assert (stopped["status"], cancelled) == ("stopped", [2, 4, 5, 5])


def test_stop_holds_whatever_befalls_the_process_that_cancels(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make.batch(ours, status=Status.RUNNING, started_at=timezone.now())
    recipient = make.recipient(batch)
    with monkeypatch.context() as broken:
        broken.setattr(batches, "_cancel_chunk", {}.__getitem__)
        with pytest.raises(KeyError):
            batches.stop_batch(batch=batch)
    held = status_of(batch)

    cancel_rest_of_stopped()

    recipient.refresh_from_db()
    assert (held, recipient.status, recipient.reason) == ("stopped", "cancelled", "batch_stopped")


def test_batch_without_recipients_to_call_completes_at_once(ours: Workspace) -> None:
    batch = make.batch(ours)
    make.recipient(batch, status="skipped", reason="duplicate", due_at=None)

    body = make.client(ours).post(f"/batches/{batch.pk}/start").json()

    assert body["status"] == "completed"
    assert body["ended_at"] is not None


def test_pausing_a_batch_that_paused_itself_ends_its_probes(ours: Workspace) -> None:
    batch = make.batch(
        ours, status=Status.PAUSED, error="The carrier failed", probe_at=timezone.now()
    )

    body = make.client(ours).post(f"/batches/{batch.pk}/pause").json()

    batch.refresh_from_db()
    assert (body["status"], body["error"], batch.probe_at) == ("paused", None, None)


def test_batch_with_deleted_number_cannot_start(ours: Workspace) -> None:
    batch = make.batch(ours)
    assert batch.phone_number is not None
    batch.phone_number.delete()

    response = make.client(ours).post(f"/batches/{batch.pk}/start")

    sentence = "The batch's phone number was deleted: give the batch another one (phone_number_id)"
    assert (response.status_code, response.json()) == (400, {"detail": sentence})
    batch.refresh_from_db()
    assert (batch.status, batch.started_at) == ("ready", None)


def test_actions_accept_no_fields(ours: Workspace) -> None:
    batch = make.batch(ours)

    response = make.client(ours).post(f"/batches/{batch.pk}/start", {"at": "once"})

    assert response.status_code == 422
    assert response.json() == {
        "detail": [
            {
                "loc": ["body", "at"],
                "msg": "extra fields not permitted",
                "type": "value_error.extra",
            }
        ]
    }


@pytest.mark.django_db(transaction=True)
def test_only_one_of_eight_concurrent_starts_succeeds() -> None:
    batch = make.batch(make.workspace())
    make.recipient(batch)
    barrier, won, lost = threading.Barrier(8), [], []

    def start() -> None:
        barrier.wait()
        try:
            won.append(start_batch(batch=Batch.unscoped.get(pk=batch.pk)))
        except StateForbids as refusal:
            lost.append(str(refusal))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1
    assert lost == ["Batch is already running"] * 7
    assert AuditEntry.unscoped.filter(action="batch.started").count() == 1


def test_scheduled_batches_start_when_due(ours: Workspace) -> None:
    now = timezone.now()
    due = scheduled(ours, now - timedelta(seconds=1))
    later = scheduled(ours, now + timedelta(seconds=60))

    started = start_due_batches(now)

    assert started == 1
    assert [status_of(batch) for batch in (due, later)] == ["running", "scheduled"]


def test_batch_pauses_with_error_when_it_cannot_start_by_itself(ours: Workspace) -> None:
    batch = scheduled(ours, timezone.now())
    assert batch.phone_number is not None
    batch.phone_number.delete()

    start_due_batches(timezone.now())

    batch.refresh_from_db()
    assert (batch.status, batch.error) == (
        "paused",
        (
            "The batch could not start: The batch's phone number was deleted: give the batch "
            "another one (phone_number_id)."
        ),
    )


def test_missed_start_after_import_is_repeated(ours: Workspace) -> None:
    batch = make.batch(ours, start=Batch.Start.NOW)
    make.recipient(batch)

    start_due_batches(timezone.now())

    assert status_of(batch) == "running"


def test_appended_rows_make_completed_batch_ready_again(ours: Workspace) -> None:
    batch = make.batch(
        ours, status=Status.COMPLETED, started_at=timezone.now(), ended_at=timezone.now()
    )
    make.recipient(batch)

    after_import(batch.pk)

    batch.refresh_from_db()
    assert (batch.status, batch.ended_at) == ("ready", None)


@pytest.mark.parametrize(
    ("action", "state", "began", "advice"),
    [
        ("start", Status.READY, False, "give the batch another one (agent_id)"),
        ("start", Status.SCHEDULED, False, "give the batch another one (agent_id)"),
        ("start", Status.READY, True, "upload the remaining recipients as a new batch"),
        ("resume", Status.PAUSED, False, "give the batch another one (agent_id)"),
        ("resume", Status.PAUSED, True, "upload the remaining recipients as a new batch"),
    ],
)
def test_batch_with_deleted_agent_cannot_start(
    ours: Workspace, action: str, state: str, began: bool, advice: str
) -> None:
    agent = make.agent(ours, deleted_at=timezone.now())
    batch = make.batch(
        ours, agent=agent, status=state, started_at=timezone.now() if began else None
    )
    make.recipient(batch)

    response = make.client(ours).post(f"/batches/{batch.pk}/{action}")

    detail = f"The batch's agent was deleted: {advice}"
    assert (response.status_code, response.json()) == (400, {"detail": detail})
    assert status_of(batch) == state


def test_batch_that_could_not_start_resumes_with_another_agent(ours: Workspace) -> None:
    batch, client = scheduled(ours, timezone.now()), make.client(ours)
    client.delete(f"/agents/{batch.agent_id}")
    start_due_batches(timezone.now())

    client.patch(f"/batches/{batch.pk}", {"agent_id": str(make.agent(ours).pk)})
    resumed = client.post(f"/batches/{batch.pk}/resume").json()

    assert (resumed["status"], resumed["error"]) == ("running", None)


def scheduled(of: Workspace, at: datetime) -> Batch:
    batch = make.batch(of, status=Status.SCHEDULED, start=Batch.Start.SCHEDULED, scheduled_at=at)
    make.recipient(batch)
    return batch


def status_of(batch: Batch) -> Any:
    return Batch.unscoped.values_list("status", flat=True).get(pk=batch.pk)


def test_batch_is_not_complete_while_a_list_is_imported(ours: Workspace) -> None:
    batch = make.batch(ours, status=Status.RUNNING, started_at=timezone.now(), upload="more")
    make.recipient(batch, status="completed", due_at=None)

    assert complete_batches({batch.pk}) == 0
    Batch.unscoped.filter(pk=batch.pk).update(upload="")
    after_import(batch.pk)

    assert status_of(batch) == "completed"


def test_rows_imported_after_a_stop_are_cancelled(ours: Workspace) -> None:
    batch = make.batch(ours, status=Status.STOPPED, ended_at=timezone.now())
    recipient = make.recipient(batch)

    after_import(batch.pk)
    cancel_rest_of_stopped()

    recipient.refresh_from_db()
    assert (recipient.status, recipient.reason, recipient.due_at) == (
        "cancelled",
        "batch_stopped",
        None,
    )


def test_paused_batch_without_open_recipients_completes(ours: Workspace) -> None:
    batch = make.batch(ours, status=Status.PAUSED, started_at=timezone.now())
    make.recipient(batch, status="review", due_at=None)

    complete_all()

    assert status_of(batch) == "completed"


def test_hang_up_reports_unreachable_livekit_and_can_be_repeated(
    ours: Workspace,
) -> None:
    batch, client = (
        make.batch(ours, status=Status.RUNNING, started_at=timezone.now()),
        make.client(ours),
    )
    make.call(
        ours,
        batch_id=batch.pk,
        stage="in_progress",
        dialed_at=timezone.now(),
        answered_at=timezone.now(),
    )

    first = client.post(f"/batches/{batch.pk}/stop", {"hang_up_active": True})
    second = client.post(f"/batches/{batch.pk}/stop", {"hang_up_active": True})

    unreachable = (500, {"detail": "LiveKit error: could not be reached"})
    assert [(answer.status_code, answer.json()) for answer in (first, second)] == [
        unreachable,
        unreachable,
    ]
    assert status_of(batch) == "stopped"
