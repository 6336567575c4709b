from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.calling_profiles import FREQUENCY_LIMITS
from accounts.models import AuditEntry, Workspace
from batches.models import Batch
from tests import make

WINDOW = {"days": [1, 2, 3, 4, 5], "start": "09:00", "end": "24:00", "timezone": "Europe/Berlin"}


def test_pace_and_window_of_running_batch_can_be_changed(
    ours: Workspace,
) -> None:
    batch = make.batch(ours, status="running", started_at=timezone.now(), calls_per_second=1.0)
    changes = {
        "calls_per_second": 5,
        "max_concurrent_calls": 7,
        "calling_window": WINDOW,
        "name": "Later",
    }

    response = make.client(ours).patch(f"/batches/{batch.pk}", changes)

    body = response.json()
    assert response.status_code == 200
    assert {name: body[name] for name in changes} == changes | {"calls_per_second": 5.0}
    assert AuditEntry.unscoped.get(action="batch.updated").changes == {
        "calls_per_second": {"from": 1.0, "to": 5.0},
        "max_concurrent_calls": {"from": None, "to": 7},
        "calling_window": {"from": None, "to": WINDOW},
        "name": {"from": "Reminders", "to": "Later"},
    }


def test_pace_defaults_to_the_numbers(ours: Workspace) -> None:
    batch = make.batch(
        ours, phone_number=make.phone_number(ours, calls_per_second=3), calls_per_second=1.0
    )

    body = make.client(ours).patch(f"/batches/{batch.pk}", {"calls_per_second": None}).json()

    assert body["calls_per_second"] == 3.0


@pytest.mark.parametrize(
    ("window", "wrong"),
    [
        ({"days": [1], "start": "18:00", "end": "09:00"}, ["calling_window", "end"]),
        ({"days": [], "start": "09:00", "end": "18:00"}, ["calling_window", "days"]),
        ({"days": [1], "start": "24:00", "end": "24:00"}, ["calling_window", "start"]),
        (
            {"days": [1], "start": "09:00", "end": "18:00", "timezone": "Mars/Olympus"},
            ["calling_window", "timezone"],
        ),
        ({"start": "09:00"}, ["calling_window", "end"]),
    ],
)
def test_invalid_window_is_refused(
    ours: Workspace, window: dict[str, Any], wrong: list[str]
) -> None:
    batch = make.batch(ours)

    response = make.client(ours).patch(f"/batches/{batch.pk}", {"calling_window": window})

    assert response.status_code == 422
    assert [one["loc"] for one in response.json()["detail"]] == [["body", *wrong]]


def test_new_window_requeues_recipients_waiting_for_the_old_one(ours: Workspace) -> None:
    batch = make.batch(ours, status="running", started_at=timezone.now(), calling_window=WINDOW)
    later = timezone.now() + timedelta(hours=9)
    waiting = make.recipient(batch, due_at=later)
    retrying = make.recipient(batch, status="retrying", attempts=1, due_at=later)
    closed = make.recipient(
        batch, status="retrying", attempts=1, due_at=later, reason="window_closed"
    )

    make.client(ours).patch(f"/batches/{batch.pk}", {"calling_window": None})

    closed.refresh_from_db()
    assert closed.due_at != later
    waiting.refresh_from_db()
    retrying.refresh_from_db()
    assert waiting.due_at is not None
    assert waiting.due_at <= timezone.now()
    assert retrying.due_at == later


def test_new_window_requeues_recipients_skipped_by_the_old_one(ours: Workspace) -> None:
    batch = make.batch(ours, status="running", started_at=timezone.now(), calling_window=WINDOW)
    skipped = {"status": "skipped", "due_at": None}
    new = make.recipient(batch, **skipped, reason="window_closed")
    tried = make.recipient(batch, **skipped, reason="window_closed", attempts=1, outcome="busy")
    twice = make.recipient(batch, **skipped, reason="duplicate")

    make.client(ours).patch(
        f"/batches/{batch.pk}", {"calling_window": {**WINDOW, "timezone": "UTC"}}
    )

    for recipient in (new, tried, twice):
        recipient.refresh_from_db()
    assert [(recipient.status, recipient.reason) for recipient in (new, tried, twice)] == [
        ("pending", None),
        ("retrying", None),
        ("skipped", "duplicate"),
    ]
    assert [recipient.due_at is not None for recipient in (new, tried, twice)] == [
        True,
        True,
        False,
    ]


def test_agent_and_number_cannot_change_after_start(ours: Workspace) -> None:
    batch = make.batch(ours, status="running", started_at=timezone.now())
    changes = {
        "agent_id": str(make.agent(ours).pk),
        "phone_number_id": str(make.phone_number(ours).pk),
    }

    response = make.client(ours).patch(f"/batches/{batch.pk}", changes)

    assert response.status_code == 400
    assert response.json() == {
        "detail": "Batch has started: agent_id, phone_number_id cannot be changed any more"
    }


def test_new_agent_sets_its_published_version(ours: Workspace) -> None:
    batch, agent = make.batch(ours), make.agent(ours)

    body = make.client(ours).patch(f"/batches/{batch.pk}", {"agent_id": str(agent.pk)}).json()

    batch.refresh_from_db()
    assert body["agent_id"] == str(agent.pk)
    assert batch.agent_version == agent.versions.get()


def test_new_agent_skips_recipients_without_its_required_variables(
    ours: Workspace,
) -> None:
    batch = make.batch(ours, columns=["phone", "Home Town"], variable_names=[None, "Home Town"])
    known = make.recipient(batch, values=["+12025550102", "Bergen"])
    blank = make.recipient(batch, values=["+12025550103", " "])
    agent = make.agent(ours, variables=[{"name": "home_town", "required": True}])

    make.client(ours).patch(f"/batches/{batch.pk}", {"agent_id": str(agent.pk)})

    batch.refresh_from_db()
    known.refresh_from_db()
    blank.refresh_from_db()
    assert known.variables_in(batch) == {"home_town": "Bergen"}
    assert (known.status, blank.status, blank.reason, blank.due_at) == (
        "pending",
        "skipped",
        "missing_variable",
        None,
    )


def test_new_agent_requeues_recipients_skipped_for_the_previous_one(
    ours: Workspace,
) -> None:
    batch = make.batch(ours)
    recipient = make.recipient(batch, status="skipped", reason="missing_variable", due_at=None)
    twice = make.recipient(batch, status="skipped", reason="duplicate", due_at=None)

    make.client(ours).patch(f"/batches/{batch.pk}", {"agent_id": str(make.agent(ours).pk)})

    recipient.refresh_from_db()
    twice.refresh_from_db()
    assert (recipient.status, recipient.reason, twice.status) == ("pending", None, "skipped")
    assert recipient.due_at is not None


def test_new_mapping_renames_variables(
    ours: Workspace,
) -> None:
    batch = make.batch(ours)
    recipient = make.recipient(batch)

    response = make.client(ours).patch(
        f"/batches/{batch.pk}", {"column_mapping": {"first_name": "nickname"}}
    )

    batch.refresh_from_db()
    assert response.status_code == 200
    assert recipient.variables_in(batch) == {"nickname": "Ada"}


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        (
            {"first_name": "phone_number"},
            "The list has been read with another phone column: upload it again as a new",
        ),
        (
            {"nobody": "x"},
            (
                "column_mapping names columns the file does not have: nobody. It has phone, "
                "first_name."
            ),
        ),
    ],
)
def test_mapping_that_does_not_fit_the_list_is_refused(
    ours: Workspace, mapping: dict[str, str], sentence: str
) -> None:
    batch = make.batch(ours)

    response = make.client(ours).patch(f"/batches/{batch.pk}", {"column_mapping": mapping})

    assert response.status_code == 400
    assert response.json()["detail"].startswith(sentence)


def test_agent_cannot_change_during_import(ours: Workspace) -> None:
    batch = make.batch(ours, status="validating", upload="list")

    response = make.client(ours).patch(
        f"/batches/{batch.pk}", {"agent_id": str(make.agent(ours).pk)}
    )

    assert (response.status_code, response.json()) == (400, {"detail": "Batch is still validating"})


def test_ready_batch_can_be_scheduled_and_unscheduled(ours: Workspace) -> None:
    batch, client = make.batch(ours), make.client(ours)
    make.recipient(batch)

    scheduled = client.patch(
        f"/batches/{batch.pk}", {"start": "scheduled", "scheduled_at": "2030-01-01T08:00:00Z"}
    )
    manual = client.patch(f"/batches/{batch.pk}", {"start": "manual"})

    assert (scheduled.json()["status"], manual.json()["status"]) == ("scheduled", "ready")


def test_schedule_can_change_while_rows_are_appended(
    ours: Workspace,
) -> None:
    was = {"status": "scheduled", "start": "scheduled", "scheduled_at": "2030-01-01T08:00:00Z"}
    batch, client = make.batch(ours, upload="list", **was), make.client(ours)
    make.recipient(batch)

    later = client.patch(f"/batches/{batch.pk}", {"scheduled_at": "2031-01-01T08:00:00Z"}).json()
    manual = client.patch(f"/batches/{batch.pk}", {"start": "manual"}).json()
    now = client.patch(f"/batches/{batch.pk}", {"start": "now"}).json()

    assert (later["status"], later["scheduled_at"]) == ("scheduled", "2031-01-01T08:00:00Z")
    assert (manual["status"], now["status"]) == ("ready", "running")


def test_schedule_without_a_time_is_refused(ours: Workspace) -> None:
    batch = make.batch(ours)

    response = make.client(ours).patch(f"/batches/{batch.pk}", {"start": "scheduled"})

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "scheduled_at"]


def test_only_the_name_of_an_ended_batch_can_change(ours: Workspace) -> None:
    batch, client = make.batch(ours, status=Batch.Status.COMPLETED), make.client(ours)

    renamed = client.patch(f"/batches/{batch.pk}", {"name": "Done"})
    paced = client.patch(f"/batches/{batch.pk}", {"calls_per_second": 2})

    assert (renamed.status_code, renamed.json()["name"]) == (200, "Done")
    assert (paced.status_code, paced.json()) == (400, {"detail": "Batch has ended"})


def test_response_of_get_can_be_sent_back(ours: Workspace) -> None:
    batch, client = make.batch(ours), make.client(ours)
    body = client.get(f"/batches/{batch.pk}").json()

    response = client.patch(f"/batches/{batch.pk}", body)

    assert (response.status_code, response.json()) == (200, body)


def test_guessed_mapping_sent_back_stays_guessed(ours: Workspace) -> None:
    batch, client = make.batch(ours, status="completed", name="Before"), make.client(ours)
    body = client.get(f"/batches/{batch.pk}").json()

    response = client.patch(
        f"/batches/{batch.pk}", {"name": "After", "column_mapping": body["column_mapping"]}
    )

    assert (response.status_code, response.json()) == (200, {**body, "name": "After"})
    assert Batch.unscoped.get(pk=batch.pk).column_mapping is None


def test_retries_can_be_set_by_outcome_and_day(ours: Workspace) -> None:
    batch, client = make.batch(ours), make.client(ours)
    retry = {"max_attempts": 5, "by_outcome": {"busy": [2, 7.5]}, "next_day": {"shift_hours": -2}}

    refined = client.patch(f"/batches/{batch.pk}", {"retry": retry})
    wrong = client.patch(
        f"/batches/{batch.pk}",
        {"retry": {"by_outcome": {"declined": [1]}, "next_day": {"after_attempts": 0}}},
    )

    assert refined.json()["retry"] == {
        "max_attempts": 5,
        "delay_minutes": [30],
        "outcomes": ["busy", "no_answer"],
        "by_outcome": {"busy": [2, 7.5]},
        "next_day": {"after_attempts": 1, "shift_hours": -2.0},
    }
    assert [(one["loc"][2:], one["type"]) for one in wrong.json()["detail"]] == [
        (["by_outcome", "declined"], "value_error.extra"),
        (["next_day", "after_attempts"], "value_error.number.not_ge"),
    ]


@pytest.mark.parametrize("name", FREQUENCY_LIMITS)
def test_frequency_limits_of_a_running_batch_can_be_changed(ours: Workspace, name: str) -> None:
    batch = make.batch(ours, status="running", started_at=timezone.now())
    client = make.client(ours)

    changed = client.patch(f"/batches/{batch.pk}", {name: 3})
    refused = client.patch(f"/batches/{batch.pk}", {name: 0})
    removed = client.patch(f"/batches/{batch.pk}", {name: None})

    assert (changed.status_code, changed.json()[name]) == (200, 3)
    assert (removed.status_code, removed.json()[name]) == (200, None)
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", name]
