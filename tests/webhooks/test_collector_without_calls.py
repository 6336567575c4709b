"""Events that no call leads to: recipients skipped or cancelled, batches resumed or failed."""

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Workspace
from batches.models import Batch, Callback, Recipient
from batches.services.batches import resume_batch, stop_batch
from batches.services.imports import import_batch
from tests import make
from tests.webhooks.collected import events_of
from webhooks.collector import collect_events
from webhooks.models import WebhookEndpoint


@pytest.fixture
def endpoint(ours: Workspace) -> WebhookEndpoint:
    return make.webhook(ours)


def finished(workspace: Workspace) -> list[tuple[str, str]]:
    """Status and reason of every recipient that is reported as finished."""
    events = events_of(workspace)
    return [
        (data["status"], data["reason"]) for type, data in events if type == "recipient.finished"
    ]


def test_recipients_of_a_stopped_batch_are_finished_once(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    batch = make.batch(ours, status=Batch.Status.RUNNING, started_at=timezone.now())
    first = make.recipient(batch)
    make.recipient(batch)

    stop_batch(batch=batch)
    collect_events()
    collect_events()

    assert finished(ours) == [("cancelled", "batch_stopped")] * 2
    assert next(data for type, data in events_of(ours) if type == "recipient.finished") == {
        "id": str(first.pk),
        "batch_id": str(batch.pk),
        "row_number": first.row_number,
        "phone_number": first.phone_number,
        "variables": {"first_name": "Ada"},
        "status": "cancelled",
        "reason": "batch_stopped",
        "attempts": 0,
        "outcome": None,
        "disposition": None,
        "disposition_by": None,
        "last_call_id": None,
        "external_id": None,
        "alternative_numbers": [],
        "timezone": None,
    }


def test_recipients_that_the_import_skips_are_finished(
    ours: Workspace, endpoint: WebhookEndpoint, settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    make.suppression(ours, phone_number="+12025550111")
    rows = [{"phone_number": number} for number in ("+12025550186", "+12025550186", "+12025550111")]
    body: dict[str, Any] = {"name": "List", "recipients": rows}
    body["agent_id"] = str(make.agent(ours).pk)
    body["phone_number_id"] = str(make.phone_number(ours).pk)
    batch_id = make.client(ours).post("/batches", body).json()["id"]

    import_batch(batch_id)
    collect_events()
    collect_events()

    assert finished(ours) == [("skipped", "duplicate"), ("skipped", "suppressed")]


def test_a_recipient_that_is_called_after_all_is_not_reported_as_skipped(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    make.recipient(
        batch,
        status="skipped",
        reason="window_closed",
        due_at=None,
        unreported_at=timezone.now(),
    )

    make.client(ours).patch(f"/workspaces/{ours.pk}", {"holidays_country": "FR"})
    collect_events()

    assert finished(ours) == []


def test_nothing_from_before_the_endpoint_is_reported(ours: Workspace) -> None:
    batch = make.batch(ours)
    make.recipient(batch)
    stop_batch(batch=batch)
    make.webhook(ours)

    collect_events()

    assert finished(ours) == []
    assert not Recipient.unscoped.exclude(unreported_at=None).exists()


def test_a_batch_that_resumes_by_itself_or_by_a_user_is_reported_once(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    alone, by_user = [
        make.batch(ours, status=Batch.Status.PAUSED, error="The trunk is gone") for _ in range(2)
    ]
    collect_events()

    Batch.unscoped.filter(pk=alone.pk).update(status=Batch.Status.RUNNING, error=None)
    make.recipient(by_user)
    resume_batch(batch=by_user)
    collect_events()
    collect_events()

    resumed = [data["id"] for type, data in events_of(ours) if type == "batch.resumed"]
    assert sorted(resumed) == sorted([str(alone.pk), str(by_user.pk)])


def test_a_list_that_cannot_be_read_fails_its_batch(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    make.batch(ours, status=Batch.Status.FAILED, error="The file is empty", ended_at=timezone.now())

    collect_events()

    ((type, data),) = events_of(ours)
    assert (type, data["status"], data["error"]) == ("batch.failed", "failed", "The file is empty")


def test_callbacks_are_reported_when_they_are_scheduled_made_or_missed(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    made, missed, cancelled = [make.callback(ours) for _ in range(3)]
    collect_events()
    for callback, status in ((made, "done"), (missed, "missed"), (cancelled, "cancelled")):
        Callback.unscoped.filter(pk=callback.pk).update(status=status, ended_at=timezone.now())

    collect_events()
    collect_events()

    found = [(type, data["id"]) for type, data in events_of(ours)]
    assert found == [
        ("callback.scheduled", str(made.pk)),
        ("callback.scheduled", str(missed.pk)),
        ("callback.scheduled", str(cancelled.pk)),
        ("callback.done", str(made.pk)),
        ("callback.missed", str(missed.pk)),
    ]
    shown = make.client(ours).get(f"/callbacks/{made.pk}").json()
    assert events_of(ours)[3][1] == shown
