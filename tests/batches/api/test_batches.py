import json
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from accounts.roles import Role
from batches.models import Batch
from tests import make
from tests.batches.api.bodies import LIST, order, read_list, upload

COUNTS = {
    "total": 0,
    "pending": 0,
    "dialing": 0,
    "in_call": 0,
    "retrying": 0,
    "completed": 0,
    "failed": 0,
    "skipped": 0,
    "cancelled": 0,
    "review": 0,
    "rejected": 0,
}


def test_upload_creates_validating_batch(ours: Workspace) -> None:
    agent, number = (
        make.agent(ours),
        make.phone_number(ours, calls_per_second=20, max_concurrent_calls=200),
    )
    fields = order(
        agent, number, file=upload(), retry=json.dumps({"max_attempts": 3}), default_country="us"
    )

    response = make.client(ours, Role.MANAGER).post("/batches", fields, format="multipart")

    batch = Batch.unscoped.get()
    assert response.status_code == 201
    assert response.json() == {
        "id": str(batch.pk),
        "name": "Reminders",
        "agent_id": str(agent.pk),
        "phone_number_id": str(number.pk),
        "status": "validating",
        "error": None,
        "column_mapping": None,
        "default_country": "US",
        "start": "manual",
        "scheduled_at": None,
        "calling_window": None,
        "calls_per_second": 20.0,
        "max_concurrent_calls": 200,
        "max_cost": None,
        "max_attempts_per_day": None,
        "max_attempts_per_week": None,
        "max_attempts_per_30_days": None,
        "rest_days_after_answer": None,
        "rest_days_after_refusal": None,
        "retry": {"max_attempts": 3, "delay_minutes": [30], "outcomes": ["busy", "no_answer"]},
        "priority": 50,
        "on_duplicate": "skip",
        "hidden_rows": "skip",
        "counts": COUNTS,
        "created_at": batch.created_at.isoformat().replace("+00:00", "Z"),
        "started_at": None,
        "ended_at": None,
    }


def test_list_is_imported_in_background(ours: Workspace) -> None:
    client = make.client(ours)
    fields = order(
        make.agent(ours),
        make.phone_number(ours),
        file=upload(LIST + b"12345,Alan\n+1 202 555 0186,Ada\n"),
    )
    created = client.post("/batches", fields, format="multipart").json()

    read_list(created["id"])

    body = client.get(f"/batches/{created['id']}").json()
    assert (body["status"], body["error"]) == ("ready", None)
    assert body["counts"] == COUNTS | {"total": 3, "pending": 2, "skipped": 1, "rejected": 1}
    assert body["column_mapping"] == {
        "phone": "phone_number",
        "first_name": "first_name",
    }  # the guess


def test_recipients_can_be_sent_as_json(ours: Workspace) -> None:
    client = make.client(ours)
    recipients_body = [
        {"phone_number": "+12025550186", "variables": {"first_name": "Ada", "age": 36}},
        {"phone_number": "12345"},
    ]

    created = client.post(
        "/batches", order(make.agent(ours), make.phone_number(ours), recipients=recipients_body)
    )

    assert (created.status_code, created.json()["status"]) == (201, "validating")
    read_list(created.json()["id"])
    recipients = client.get(f"/batches/{created.json()['id']}/recipients").json()
    assert [(row["phone_number"], row["variables"]) for row in recipients["items"]] == [
        ("+12025550186", {"first_name": "Ada", "age": 36})
    ]
    rejected = client.get(f"/batches/{created.json()['id']}/rejected").json()
    assert [(row["error_code"], row["values"]["phone_number"]) for row in rejected["items"]] == [
        ("invalid_number", "12345")
    ]


def test_start_now_begins_after_import(ours: Workspace) -> None:
    fields = order(make.agent(ours), make.phone_number(ours), file=upload(), start="now")
    created = make.client(ours).post("/batches", fields, format="multipart").json()

    batch = read_list(created["id"])

    assert batch.status == "running"
    assert batch.started_at is not None


def test_scheduled_batch_waits_for_its_time(ours: Workspace) -> None:
    fields = order(
        make.agent(ours),
        make.phone_number(ours),
        file=upload(),
        start="scheduled",
        scheduled_at="2030-01-01T09:00:00+01:00",
    )
    created = make.client(ours).post("/batches", fields, format="multipart").json()

    batch = read_list(created["id"])

    assert created["scheduled_at"] == "2030-01-01T08:00:00Z"
    assert batch.status == "scheduled"


def test_all_errors_of_a_batch_are_reported_at_once(ours: Workspace) -> None:
    body = {
        "agent_id": "x",
        "start": "soon",
        "calls_per_second": 0,
        "calling_window": {"days": [8], "start": "9", "end": "18:00"},
        "retry": {"max_attempts": 0, "often": True},
        "recipients": [{"variables": []}, "+12025550186"],
        "colour": "red",
    }

    response = make.client(ours).post("/batches", body)

    assert response.status_code == 422
    assert sorted(
        (".".join(map(str, one["loc"])), one["type"]) for one in response.json()["detail"]
    ) == [
        ("body.agent_id", "type_error.uuid"),
        ("body.calling_window.days.0", "value_error.number.not_le"),
        ("body.calling_window.start", "value_error"),
        ("body.calls_per_second", "value_error.number.not_ge"),
        ("body.colour", "value_error.extra"),
        ("body.name", "value_error.missing"),
        ("body.phone_number_id", "value_error.missing"),
        ("body.recipients.0.phone_number", "value_error.missing"),
        ("body.recipients.0.variables", "type_error.dict"),
        ("body.recipients.1", "type_error.dict"),
        ("body.retry.max_attempts", "value_error.number.not_ge"),
        ("body.retry.often", "value_error.extra"),
        ("body.start", "type_error.enum"),
    ]


def test_scheduled_start_needs_a_time(ours: Workspace) -> None:
    fields = order(make.agent(ours), make.phone_number(ours), file=upload(), start="scheduled")

    response = make.client(ours).post("/batches", fields, format="multipart")

    assert response.status_code == 422
    assert response.json() == {
        "detail": [
            {
                "loc": ["body", "scheduled_at"],
                "msg": "field required",
                "type": "value_error.missing",
            }
        ]
    }


@pytest.mark.parametrize("path", ["/batches", "/batches/preview"])
def test_start_at_the_end_of_the_calendar_is_refused(ours: Workspace, path: str) -> None:
    window = {"days": [1], "start": "09:00", "end": "10:00"}
    at = {"start": "scheduled", "scheduled_at": "9999-12-31T23:59:59Z", "calling_window": window}
    fields = order(
        make.agent(ours),
        make.phone_number(ours),
        recipients=[{"phone_number": "+12025550100"}],
        **at,
    )

    response = make.client(ours).post(path, fields)

    message = "expected a time within the next ten years"
    assert (response.status_code, response.json()) == (
        422,
        {"detail": [{"loc": ["body", "scheduled_at"], "msg": message, "type": "value_error"}]},
    )


def test_agent_must_be_published_and_number_active(ours: Workspace) -> None:
    client, recipients_body = make.client(ours), [{"phone_number": "+12025550186"}]
    draft, agent = make.agent(ours, published=False), make.agent(ours)
    number, broken = make.phone_number(ours), make.phone_number(ours, status="error")

    unpublished = client.post("/batches", order(draft, number, recipients=recipients_body))
    unusable = client.post("/batches", order(agent, broken, recipients=recipients_body))

    assert (unpublished.status_code, unpublished.json()) == (
        400,
        {"detail": "Agent is not published"},
    )
    assert (unusable.status_code, unusable.json()) == (
        400,
        {"detail": "Phone number is not active"},
    )


def test_agent_and_number_of_another_workspace_are_not_found(
    ours: Workspace, theirs: Workspace
) -> None:
    client, recipients_body = make.client(ours), [{"phone_number": "+12025550186"}]

    agent = client.post(
        "/batches", order(make.agent(theirs), make.phone_number(ours), recipients=recipients_body)
    )
    number = client.post(
        "/batches", order(make.agent(ours), make.phone_number(theirs), recipients=recipients_body)
    )

    assert (agent.status_code, agent.json()) == (404, {"detail": "Agent not found"})
    assert (number.status_code, number.json()) == (404, {"detail": "Phone number not found"})


@pytest.mark.parametrize("rows", [1, 3])
def test_query_count_of_batch_list_is_constant(
    ours: Workspace, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        make.recipient(make.batch(ours))
    client = make.client(ours)
    client.get("/batches")  # the key's first use is recorded

    with django_assert_num_queries(3):  # key, page with its total, counts
        body = client.get("/batches?page_size=2").json()

    assert (body["total"], len(body["items"])) == (rows, min(rows, 2))
    assert {item["counts"]["pending"] for item in body["items"]} == {1}


def test_batches_can_be_filtered_by_status(ours: Workspace) -> None:
    make.batch(ours)
    running = make.batch(ours, status=Batch.Status.RUNNING, started_at=timezone.now())

    body = make.client(ours).get("/batches?status=running").json()

    assert [item["id"] for item in body["items"]] == [str(running.pk)]


def test_batch_that_is_not_running_can_be_deleted(ours: Workspace) -> None:
    batch = make.batch(ours)
    make.recipient(batch)
    client = make.client(ours)

    response = client.delete(f"/batches/{batch.pk}")

    assert (response.status_code, response.json()) == (200, {"detail": "Deleted"})
    assert client.get(f"/batches/{batch.pk}").json() == {"detail": "Batch not found"}


def test_running_batch_cannot_be_deleted(ours: Workspace) -> None:
    batch = make.batch(ours, status=Batch.Status.RUNNING)

    response = make.client(ours).delete(f"/batches/{batch.pk}")

    assert (response.status_code, response.json()) == (
        400,
        {"detail": "Batch is currently running"},
    )
    assert Batch.unscoped.filter(pk=batch.pk).exists()


def test_member_may_read_but_not_write(ours: Workspace) -> None:
    batch = make.batch(ours)
    client = make.client(ours, Role.MEMBER)

    assert client.get(f"/batches/{batch.pk}").status_code == 200
    for response in (
        client.post("/batches", {}),
        client.post(f"/batches/{batch.pk}/start"),
        client.delete(f"/batches/{batch.pk}"),
    ):
        assert (response.status_code, response.json()) == (
            403,
            {"detail": "Insufficient permissions"},
        )
