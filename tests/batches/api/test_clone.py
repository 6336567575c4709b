"""A batch again: for all of its recipients, those that were not reached, or some outcomes."""

from typing import Any

import pytest

from accounts.calling_profiles import FREQUENCY_LIMITS
from accounts.models import AuditEntry, Workspace
from accounts.roles import Role
from batches.models import Batch
from batches.services.imports import import_batch
from tests import make

WINDOW = {"days": [1], "start": "09:00", "end": "18:00", "timezone": "recipient"}
RESULTS = {
    "+12025550100": ("completed", "answered"),
    "+12025550160": ("failed", "no_answer"),
    "+12025550170": ("failed", "busy"),
    "+12025550175": ("completed", "voicemail"),
    "+12025550111": ("cancelled", None),
    "+12025550112": ("review", "unknown"),
}


def ended(of: Workspace, **fields: Any) -> Batch:
    batch = make.batch(of, status=Batch.Status.COMPLETED, **fields)
    for number, (status, outcome) in RESULTS.items():
        make.recipient(
            batch,
            phone_number=number,
            status=status,
            outcome=outcome,
            due_at=None,
            values=[number, 'Ada "A", =1+1\nB'],
        )
    make.recipient(
        batch, phone_number="+12025550100", status="skipped", reason="duplicate", is_duplicate=True
    )
    return batch


def clone(batch: Batch, **body: Any) -> Any:
    return make.client(batch.workspace, Role.MANAGER).post(f"/batches/{batch.pk}/clone", body)


@pytest.mark.parametrize(
    ("only", "numbers"),
    [
        ("unreached", ["+12025550160", "+12025550170", "+12025550175", "+12025550111"]),
        (["busy", "voicemail"], ["+12025550170", "+12025550175"]),
        ("all", [*RESULTS, "+12025550100"]),
    ],
)
def test_a_clone_has_the_recipients_that_were_asked_for(
    ours: Workspace, only: Any, numbers: list[str]
) -> None:
    response = clone(ended(ours), only=only)
    import_batch(response.json()["id"])

    copy = Batch.unscoped.get(pk=response.json()["id"])
    assert (response.status_code, copy.status) == (201, "ready")
    rows = copy.recipients.order_by("row_number")
    assert [row.phone_number for row in rows] == numbers if only != "all" else True
    assert rows.count() == len(numbers)
    assert rows[0].variables_in(copy) == {"first_name": 'Ada "A", =1+1\nB'}
    assert rows[0].status == "pending"


def test_a_clone_has_the_settings_of_its_batch_and_waits_for_an_order(ours: Workspace) -> None:
    batch = ended(
        ours,
        name="Reminders",
        start="now",
        calling_window=WINDOW,
        priority=80,
        calls_per_second=2,
        max_attempts_per_week=3,
        rest_days_after_refusal=60,
        default_country="US",
    )

    body = clone(batch).json()

    assert (body["name"], body["status"], body["start"]) == (
        "Reminders (copy)",
        "validating",
        "manual",
    )
    same = (
        *("agent_id", "phone_number_id", "calling_window", "priority", "retry", "column_mapping"),
        *FREQUENCY_LIMITS,
    )
    theirs = make.client(ours).get(f"/batches/{batch.pk}").json()
    assert {name: body[name] for name in same} == {name: theirs[name] for name in same}
    assert AuditEntry.unscoped.get(action="batch.cloned").changes == {
        "batch_id": body["id"],
        "only": "all",
    }


def test_a_suppression_added_since_holds_for_the_clone(ours: Workspace) -> None:
    make.suppression(ours, phone_number="+12025550170")

    copy_id = clone(ended(ours), only=["busy"]).json()["id"]
    import_batch(copy_id)

    recipient = Batch.unscoped.get(pk=copy_id).recipients.get()
    assert (recipient.status, recipient.reason) == ("skipped", "suppressed")


@pytest.mark.parametrize(
    ("fields", "body", "detail"),
    [
        ({}, {"only": ["declined"]}, "No recipient of the batch matches"),
        ({"status": "validating"}, {}, "Batch is still validating"),
    ],
)
def test_a_clone_without_recipients_is_refused(
    ours: Workspace, fields: dict[str, Any], body: dict[str, Any], detail: str
) -> None:
    batch = ended(ours)
    Batch.unscoped.filter(pk=batch.pk).update(**fields or {"name": "x"})

    response = clone(batch, **body)

    assert (response.status_code, response.json()) == (400, {"detail": detail})


@pytest.mark.parametrize("only", ["some", [], ["talked"], 7, None])
def test_an_unknown_choice_of_recipients_is_refused(ours: Workspace, only: Any) -> None:
    response = clone(ended(ours), only=only)

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][:2] == ["body", "only"]


@pytest.mark.parametrize("priority", [-1, 101])
def test_a_priority_lies_between_0_and_100(ours: Workspace, priority: int) -> None:
    batch = ended(ours)

    response = make.client(ours).patch(f"/batches/{batch.pk}", {"priority": priority})

    assert response.json()["detail"][0]["loc"] == ["body", "priority"]
