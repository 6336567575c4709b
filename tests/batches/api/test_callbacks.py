"""`/callbacks`: planned, listed, changed and cancelled by clients."""

from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Workspace
from accounts.roles import Role
from batches.models import Batch, Callback
from tests import make
from tests.batches.planned_callbacks import in_hours, iso, plan


@pytest.fixture
def batch(ours: Workspace) -> Batch:
    return make.batch(ours, status=Batch.Status.RUNNING, started_at=timezone.now())


def test_a_callback_of_a_recipient_is_scheduled_and_listed(batch: Batch) -> None:
    recipient = make.recipient(batch, status="completed", attempts=1, due_at=None)
    client, at = make.client(batch.workspace, Role.MANAGER), in_hours(2)

    response = client.post(
        "/callbacks", {"recipient_id": str(recipient.pk), "at": iso(at), "note": "at home"}
    )

    callback = Callback.unscoped.get()
    assert (response.status_code, response.json()) == (
        201,
        {
            "id": str(callback.pk),
            "recipient_id": str(recipient.pk),
            "batch_id": str(batch.pk),
            "agent_id": str(batch.agent_id),
            "phone_number": recipient.phone_number,
            "at": iso(at),
            "status": "scheduled",
            "moved_reason": None,
            "call_id": None,
            "created_at": iso(callback.created_at),
            "note": "at home",
        },
    )
    listed = client.get(f"/callbacks?status=scheduled&batch_id={batch.pk}").json()
    assert listed["items"] == [response.json()]
    [row] = client.get(f"/batches/{batch.pk}/recipients").json()["items"]
    assert (row["status"], row["reason"], row["callback_at"]) == ("retrying", "callback", iso(at))


@pytest.mark.parametrize("rows", [1, 3])
def test_a_list_takes_as_many_queries_for_one_row_as_for_three(
    ours: Workspace, django_assert_num_queries: DjangoAssertNumQueries, rows: int
) -> None:
    for _ in range(rows):
        make.callback(ours)
    client = make.client(ours)
    client.get("/batches")  # the key's first use is recorded

    with django_assert_num_queries(2):  # key, page with its total
        assert client.get("/callbacks").json()["total"] == rows


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (
            {},
            422,
            [
                ("at", "field required"),
            ],
        ),
        ({"at": "2099-01-01T10:00:00Z"}, 422, [("recipient_id", "field required")]),
        ({"at": "2020-01-01T10:00:00Z", "to": "+12025550186"}, 400, "at lies in the past"),
        (
            {"at": "9999-12-31T23:59:59Z", "to": "+12025550186"},
            422,
            [("at", "expected a time within the next hundred years")],
        ),
    ],
)
def test_what_cannot_be_planned_is_refused(
    ours: Workspace, body: dict[str, Any], status: int, detail: Any
) -> None:
    if "to" in body:
        body = {**body, "agent_id": str(make.agent(ours).pk)}

    response = make.client(ours).post("/callbacks", body)

    found = response.json()["detail"]
    if isinstance(found, list):
        found = [(error["loc"][-1], error["msg"]) for error in found]
    assert (response.status_code, found) == (status, detail)


def test_a_suppressed_number_and_a_stopped_batch_take_no_callback(batch: Batch) -> None:
    recipient = make.recipient(batch)
    make.suppression(batch.workspace, phone_number=recipient.phone_number)
    other = make.recipient(make.batch(batch.workspace, status=Batch.Status.STOPPED))
    client = make.client(batch.workspace)

    details = [
        client.post("/callbacks", {"recipient_id": str(row.pk), "at": iso(in_hours(2))}).json()
        for row in (recipient, other)
    ]

    assert details == [
        {"detail": "The number is on the suppression list"},
        {"detail": "Batch has ended"},
    ]


def test_a_time_without_an_offset_is_by_the_callees_clock(ours: Workspace) -> None:
    body = {
        "agent_id": str(make.agent(ours).pk),
        "to": "+33142685300",
        "at": "2099-07-01T18:00:00",
    }

    callback = make.client(ours).post("/callbacks", body).json()

    assert callback["at"] == "2099-07-01T16:00:00Z"


def test_it_can_be_changed_and_cancelled_until_it_is_dialled(batch: Batch) -> None:
    recipient = make.recipient(batch, status="completed", attempts=1, due_at=None)
    callback = plan(recipient)
    client, later = make.client(batch.workspace, Role.MANAGER), in_hours(4)

    changed = client.patch(f"/callbacks/{callback.pk}", {"at": iso(later)})
    recipient.refresh_from_db()
    moved_to = recipient.callback_at
    cancelled = client.delete(f"/callbacks/{callback.pk}")
    again = client.delete(f"/callbacks/{callback.pk}")

    recipient.refresh_from_db()
    assert (changed.json()["at"], moved_to) == (iso(later), later)
    assert (cancelled.status_code, cancelled.json()) == (200, {"detail": "Deleted"})
    assert (again.status_code, again.json()) == (400, {"detail": "Callback has ended"})
    assert client.get(f"/callbacks/{callback.pk}").json()["status"] == "cancelled"
    assert (recipient.status, recipient.reason) == ("cancelled", "callback_cancelled")


def test_a_second_one_replaces_the_first(batch: Batch) -> None:
    recipient = make.recipient(batch)
    first = plan(recipient)

    second = plan(recipient, in_hours(6))

    first.refresh_from_db()
    recipient.refresh_from_db()
    assert (first.status, second.status, recipient.callback_at) == (
        "cancelled",
        "scheduled",
        second.at,
    )
