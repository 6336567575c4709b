from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, Workspace
from batches.models import Batch
from tests import make

WINDOW = {"days": [1, 2, 3, 4, 5], "start": "09:00", "end": "24:00", "timezone": "Europe/Berlin"}


def test_pace_window_and_schedule_change_while_it_runs_and_are_written_down(
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


def test_without_a_pace_of_its_own_the_numbers_is_shown(ours: Workspace) -> None:
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
def test_a_window_that_makes_no_sense_is_refused(
    ours: Workspace, window: dict[str, Any], wrong: list[str]
) -> None:
    batch = make.batch(ours)

    response = make.client(ours).patch(f"/batches/{batch.pk}", {"calling_window": window})

    assert response.status_code == 422
    assert [one["loc"] for one in response.json()["detail"]] == [["body", *wrong]]


def test_a_new_window_asks_those_anew_who_waited_for_the_old_one(ours: Workspace) -> None:
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


def test_a_new_window_asks_those_anew_whose_zone_the_old_one_did_not_know(ours: Workspace) -> None:
    batch = make.batch(ours, status="running", started_at=timezone.now(), calling_window=WINDOW)
    skipped = {"status": "skipped", "due_at": None}
    new = make.recipient(batch, **skipped, reason="window_closed")
    tried = make.recipient(batch, **skipped, reason="window_closed", attempts=1, outcome="busy")
    twice = make.recipient(batch, **skipped, reason="duplicate")

    make.client(ours).patch(
        f"/batches/{batch.pk}", {"calling_window": {**WINDOW, "timezone": "UTC"}}
    )

    for person in (new, tried, twice):
        person.refresh_from_db()
    assert [(person.status, person.reason) for person in (new, tried, twice)] == [
        ("pending", None),
        ("retrying", None),
        ("skipped", "duplicate"),
    ]
    assert [person.due_at is not None for person in (new, tried, twice)] == [True, True, False]


def test_agent_and_number_are_fixed_once_it_has_started(ours: Workspace) -> None:
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


def test_another_agent_brings_its_published_version(ours: Workspace) -> None:
    batch, agent = make.batch(ours), make.agent(ours)

    body = make.client(ours).patch(f"/batches/{batch.pk}", {"agent_id": str(agent.pk)}).json()

    batch.refresh_from_db()
    assert body["agent_id"] == str(agent.pk)
    assert batch.agent_version == agent.versions.get()


def test_another_agent_finds_its_variables_and_skips_who_lacks_those_it_requires(
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


def test_an_agent_that_requires_nothing_takes_back_who_was_skipped_for_the_one_before(
    ours: Workspace,
) -> None:
    batch = make.batch(ours)
    person = make.recipient(batch, status="skipped", reason="missing_variable", due_at=None)
    twice = make.recipient(batch, status="skipped", reason="duplicate", due_at=None)

    make.client(ours).patch(f"/batches/{batch.pk}", {"agent_id": str(make.agent(ours).pk)})

    person.refresh_from_db()
    twice.refresh_from_db()
    assert (person.status, person.reason, twice.status) == ("pending", None, "skipped")
    assert person.due_at is not None


def test_another_mapping_renames_the_variables_of_the_list_it_was_read_from(
    ours: Workspace,
) -> None:
    batch = make.batch(ours)
    person = make.recipient(batch)

    response = make.client(ours).patch(
        f"/batches/{batch.pk}", {"column_mapping": {"first_name": "nickname"}}
    )

    batch.refresh_from_db()
    assert response.status_code == 200
    assert person.variables_in(batch) == {"nickname": "Ada"}


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        (
            {"first_name": "phone_number"},
            "The list has been read with another phone column: upload it again as a new",
        ),
        (
            {"nobody": "x"},
            "column_mapping names columns the file does not have: nobody. It has phone, first_name.",
        ),
    ],
)
def test_a_mapping_that_does_not_fit_the_list_is_refused(
    ours: Workspace, mapping: dict[str, str], sentence: str
) -> None:
    batch = make.batch(ours)

    response = make.client(ours).patch(f"/batches/{batch.pk}", {"column_mapping": mapping})

    assert response.status_code == 400
    assert response.json()["detail"].startswith(sentence)


def test_the_agent_stays_while_the_list_is_read(ours: Workspace) -> None:
    batch = make.batch(ours, status="validating", upload="list")

    response = make.client(ours).patch(
        f"/batches/{batch.pk}", {"agent_id": str(make.agent(ours).pk)}
    )

    assert (response.status_code, response.json()) == (400, {"detail": "Batch is still validating"})


def test_a_ready_batch_can_be_scheduled_and_taken_back(ours: Workspace) -> None:
    batch, client = make.batch(ours), make.client(ours)
    make.recipient(batch)

    scheduled = client.patch(
        f"/batches/{batch.pk}", {"start": "scheduled", "scheduled_at": "2030-01-01T08:00:00Z"}
    )
    manual = client.patch(f"/batches/{batch.pk}", {"start": "manual"})

    assert (scheduled.json()["status"], manual.json()["status"]) == ("scheduled", "ready")


def test_a_scheduled_batch_waits_for_another_time_also_while_more_rows_are_read(
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


def test_a_schedule_without_a_time_is_refused(ours: Workspace) -> None:
    batch = make.batch(ours)

    response = make.client(ours).patch(f"/batches/{batch.pk}", {"start": "scheduled"})

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["body", "scheduled_at"]


def test_of_an_ended_batch_only_the_name_changes(ours: Workspace) -> None:
    batch, client = make.batch(ours, status=Batch.Status.COMPLETED), make.client(ours)

    renamed = client.patch(f"/batches/{batch.pk}", {"name": "Done"})
    paced = client.patch(f"/batches/{batch.pk}", {"calls_per_second": 2})

    assert (renamed.status_code, renamed.json()["name"]) == (200, "Done")
    assert (paced.status_code, paced.json()) == (400, {"detail": "Batch has ended"})


def test_what_get_answered_may_be_sent_back(ours: Workspace) -> None:
    batch, client = make.batch(ours), make.client(ours)
    shown = client.get(f"/batches/{batch.pk}").json()

    response = client.patch(f"/batches/{batch.pk}", shown)

    assert (response.status_code, response.json()) == (200, shown)


def test_a_guess_sent_back_stays_one(ours: Workspace) -> None:
    batch, client = make.batch(ours, status="completed", name="Before"), make.client(ours)
    shown = client.get(f"/batches/{batch.pk}").json()

    response = client.patch(
        f"/batches/{batch.pk}", {"name": "After", "column_mapping": shown["column_mapping"]}
    )

    assert (response.status_code, response.json()) == (200, {**shown, "name": "After"})
    assert Batch.unscoped.get(pk=batch.pk).column_mapping is None


def test_retries_may_be_refined_by_outcome_and_day(ours: Workspace) -> None:
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
