"""Callbacks: planned inside the window, first in the queue, kept, followed to their end."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Workspace
from accounts.roles import Role
from batches.dialing import reservation
from batches.dialing.admission import BatchAdmission
from batches.dialing.settlement import settle_calls
from batches.models import Batch, Callback, Recipient
from batches.services.callbacks import follow_callbacks, schedule_callback
from batches.services.dispositions import apply_dispositions
from telephony.models import Call, Stage
from tests import make
from tests.batches.dialing.ended_calls import answered_call
from tests.telephony.calls.livekit import report, reported
from voiceops.core.ids import uuid7


@pytest.fixture
def batch(ours: Workspace) -> Batch:
    return make.batch(ours, status=Batch.Status.RUNNING, started_at=timezone.now())


def in_hours(hours: float) -> Any:
    return (timezone.now() + timedelta(hours=hours)).replace(microsecond=0)


def iso(at: Any) -> str:
    return str(at.isoformat().replace("+00:00", "Z"))


def claim(batch: Batch, max_calls: int = 1) -> list[Call]:
    assert batch.phone_number is not None
    ids = reservation.claim_recipients(batch.phone_number.pk, owner=uuid7(), max_calls=max_calls)
    return list(Call.unscoped.filter(pk__in=ids))


def plan(recipient: Recipient, at: Any = None, **fields: Any) -> Callback:
    return schedule_callback(
        workspace=recipient.workspace, recipient=recipient, at=at or in_hours(2), **fields
    )


def make_due(callback: Callback, *, ago: timedelta = timedelta(seconds=1)) -> None:
    then = timezone.now() - ago
    Callback.unscoped.filter(pk=callback.pk).update(at=then)
    recipients = Recipient.unscoped.filter(callbacks=callback.pk)
    recipients.update(due_at=then, callback_at=then)


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

    with django_assert_num_queries(3):  # key, count, page
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


def test_outside_the_window_it_is_moved_and_says_why(batch: Batch) -> None:
    window = {"start": "10:00", "end": "12:00", "timezone": "UTC"}
    Batch.unscoped.filter(pk=batch.pk).update(calling_window={**window, "days": [*range(1, 8)]})
    at = (timezone.now() + timedelta(days=1)).replace(hour=18, minute=0, second=0, microsecond=0)

    callback = plan(make.recipient(batch), at)

    opening = (at + timedelta(days=1)).replace(hour=10)
    assert (callback.status, callback.at) == ("moved", opening)
    assert callback.moved_reason == f"The calling window is closed at {at:%Y-%m-%d} 18:00 UTC"


def test_it_comes_before_those_that_wait_longer_and_calls_the_other_number(batch: Batch) -> None:
    make.recipient(batch, due_at=timezone.now() - timedelta(hours=1))
    recipient = make.recipient(batch, due_at=timezone.now() - timedelta(hours=1))
    callback = plan(recipient, phone_number="+12025550187")
    assert [call.recipient_id for call in claim(batch)] != [recipient.pk]
    make_due(callback)

    [call] = claim(batch)

    callback.refresh_from_db()
    recipient.refresh_from_db()
    assert (call.recipient_id, call.to_number) == (recipient.pk, "+12025550187")
    assert (callback.status, callback.call_id, recipient.callback_at) == ("dialing", call.pk, None)


@pytest.mark.parametrize(("was_sent", "status"), [(True, "done"), (False, "scheduled")])
def test_the_end_of_its_call_ends_it_if_the_call_was_sent(
    batch: Batch, was_sent: bool, status: str
) -> None:
    recipient = make.recipient(batch)
    callback = plan(recipient)
    make_due(callback)
    [call] = claim(batch)
    fields: dict[str, Any] = {"outcome": "cancelled", "end_reason": "released", "counts": False}
    if was_sent:
        now = timezone.now()
        fields = {"outcome": "no_answer", "end_reason": "no_answer", "dialed_at": now}
    Call.unscoped.filter(pk=call.pk).update(stage=Stage.ENDED, ended_at=timezone.now(), **fields)

    settle_calls()

    callback.refresh_from_db()
    recipient.refresh_from_db()
    assert callback.status == status
    assert (recipient.callback_at is not None) == (not was_sent)


def test_one_agreed_on_during_a_call_is_planned_when_that_call_is_settled(batch: Batch) -> None:
    recipient = make.recipient(batch)
    call = answered_call(batch, recipient)
    at = in_hours(3)

    plan(Recipient.unscoped.get(pk=recipient.pk), at)
    settle_calls()

    recipient.refresh_from_db()
    batch.refresh_from_db()
    assert (recipient.status, recipient.reason, recipient.due_at) == ("retrying", "callback", at)
    assert (recipient.outcome, recipient.callback_at, batch.status) == ("answered", at, "running")
    assert Callback.unscoped.get().call_id is None
    assert call.pk is not None


@pytest.mark.parametrize(
    ("type", "fields"),
    [
        ("callback", {"when": "2099-07-01T18:00:00Z", "note": "after work"}),
        (
            "tool_call",
            {"name": "schedule_callback", "arguments": {"at": "2099-07-01T18:00:00Z"}},
        ),
        ("analysis", {"fields": {"callback_at": "2099-07-01T18:00:00Z"}}),
    ],
)
def test_the_agent_plans_one_by_a_report_a_tool_or_its_analysis(
    ours: Workspace, type: str, fields: dict[str, Any]
) -> None:
    now = timezone.now()
    call = make.call(ours, stage=Stage.IN_PROGRESS, intent_at=now, dialed_at=now, answered_at=now)
    event = reported(type, **fields)

    report(call, event)
    report(call, event)

    callback = Callback.unscoped.get()
    assert (callback.phone_number, iso(callback.at)) == (call.to_number, "2099-07-01T18:00:00Z")


def test_a_callback_that_the_agent_may_not_plan_is_told_in_the_timeline(ours: Workspace) -> None:
    now = timezone.now()
    call = make.call(ours, stage=Stage.IN_PROGRESS, intent_at=now, dialed_at=now, answered_at=now)

    response = report(call, reported("callback", when="at six"))

    assert response.status_code == 200
    assert call.events.get(type="callback").text == (
        "A callback at at six was not planned: 'at six' is no date and time"
    )


def test_a_disposition_plans_one(batch: Batch, ours: Workspace) -> None:
    words = [{"name": "later", "consequence": {"type": "callback", "delay_minutes": 120}}]
    agent = make.agent(ours, dispositions=words)
    Batch.unscoped.filter(pk=batch.pk).update(agent=agent, agent_version=agent.versions.get())
    batch.refresh_from_db()
    recipient = make.recipient(batch)
    said = {"disposition": "later", "disposition_by": "agent", "disposition_at": timezone.now()}
    answered_call(batch, recipient, **said)

    settle_calls()
    apply_dispositions()

    recipient.refresh_from_db()
    callback = Callback.unscoped.get()
    assert (callback.recipient_id, recipient.callback_at) == (recipient.pk, callback.at)
    assert timedelta(minutes=118) < callback.at - timezone.now() <= timedelta(minutes=120)


def test_one_that_is_an_hour_late_is_missed_and_the_recipient_stays(batch: Batch) -> None:
    recipient = make.recipient(batch)
    callback = plan(recipient)
    make_due(callback, ago=timedelta(minutes=61))

    follow_callbacks()

    callback.refresh_from_db()
    recipient.refresh_from_db()
    assert (callback.status, callback.ended_at is not None) == ("missed", True)
    assert (recipient.status, recipient.callback_at) == ("pending", None)


def test_one_whose_recipient_is_skipped_is_missed(batch: Batch) -> None:
    recipient = make.recipient(batch)
    callback = plan(recipient)
    make_due(callback)
    Recipient.unscoped.filter(pk=recipient.pk).update(status="skipped", due_at=None)

    follow_callbacks()

    callback.refresh_from_db()
    assert callback.status == "missed"


def test_one_that_a_rule_postpones_is_moved_with_the_reason(batch: Batch) -> None:
    recipient = make.recipient(batch)
    callback = plan(recipient)
    make_due(callback)
    later = in_hours(5)
    Recipient.unscoped.filter(pk=recipient.pk).update(due_at=later, reason="min_gap")

    follow_callbacks()

    callback.refresh_from_db()
    recipient.refresh_from_db()
    assert (callback.status, callback.at, recipient.callback_at) == ("moved", later, later)
    assert (callback.moved_reason or "").startswith("Rung by another batch")


def test_one_without_a_recipient_is_dialled_once_when_it_is_due(ours: Workspace) -> None:
    make.phone_number(ours)
    callback = make.callback(ours, at=timezone.now() - timedelta(seconds=1))

    follow_callbacks()
    follow_callbacks()

    callback.refresh_from_db()
    call = Call.unscoped.get()
    assert (call.to_number, callback.status, callback.call_id) == (
        callback.phone_number,
        "dialing",
        call.pk,
    )
    Call.unscoped.update(stage=Stage.ENDED, dialed_at=timezone.now(), outcome="answered")
    follow_callbacks()
    callback.refresh_from_db()
    assert callback.status == "done"


def test_one_that_cannot_be_ordered_is_missed_with_the_reason(ours: Workspace) -> None:
    callback = make.callback(ours, at=timezone.now() - timedelta(seconds=1))

    follow_callbacks()

    callback.refresh_from_db()
    assert (callback.status, callback.moved_reason) == (
        "missed",
        "The workspace has no active phone number",
    )


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


def test_a_completed_batch_runs_again_for_one(batch: Batch) -> None:
    recipient = make.recipient(batch, status="completed", attempts=1, due_at=None)
    Batch.unscoped.filter(pk=batch.pk).update(status="completed", ended_at=timezone.now())

    plan(recipient)

    batch.refresh_from_db()
    assert (batch.status, batch.ended_at) == ("running", None)


def test_a_changed_window_leaves_it_at_its_time(batch: Batch) -> None:
    recipient = make.recipient(batch)
    callback = plan(recipient)

    make.client(batch.workspace).patch(f"/workspaces/{batch.workspace_id}", {"min_gap_minutes": 5})

    recipient.refresh_from_db()
    assert recipient.due_at == callback.at


def call_just_ended(batch: Batch, recipient: Recipient, **outcome: Any) -> Call:
    """A call to the recipient's number that ended a minute ago, of no batch."""
    ended = timezone.now() - timedelta(minutes=1)
    return make.call(
        batch.workspace,
        to_number=recipient.phone_number,
        stage=Stage.ENDED,
        intent_at=ended,
        dialed_at=ended,
        answered_at=ended,
        ended_at=ended,
        counts=True,
        **outcome,
    )


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"rest_days_after_answer": 30}, None),
        ({"rest_days_after_refusal": 30}, None),
        ({"rest_days_after_answer": 30, "max_attempts_per_30_days": 2}, "monthly_cap"),
    ],
)
def test_a_rest_does_not_refuse_what_the_callee_asked_for(
    batch: Batch, limits: dict[str, Any], expected: str | None
) -> None:
    recipient, other = make.recipient(batch), make.recipient(batch)
    for row in (recipient, other):
        call_just_ended(batch, row, outcome="answered")
        call_just_ended(batch, row, outcome="declined")
    make_due(plan(recipient))
    Workspace.unscoped.filter(pk=batch.workspace_id).update(**limits)

    by_callback, by_turn = claim(batch, max_calls=2)

    admission = BatchAdmission([by_callback, by_turn])
    now = timezone.now()
    assert (by_callback.recipient_id, by_turn.recipient_id) == (recipient.pk, other.pk)
    assert admission.refusal(by_callback, now) == expected
    assert admission.refusal(by_turn, now) is not None


@pytest.mark.parametrize(
    "type",
    ["finish", "retry"],
)
def test_a_disposition_leaves_the_callback_of_its_call_alone(
    batch: Batch, ours: Workspace, type: str
) -> None:
    words = [{"name": "interested", "consequence": {"type": type, "delay_minutes": 5}}]
    agent = make.agent(ours, dispositions=words)
    Batch.unscoped.filter(pk=batch.pk).update(agent=agent, agent_version=agent.versions.get())
    batch.refresh_from_db()
    recipient, at = make.recipient(batch), in_hours(3)
    said = {"disposition": "interested", "disposition_by": "agent"}
    answered_call(batch, recipient, **said, disposition_at=timezone.now())
    callback = plan(Recipient.unscoped.get(pk=recipient.pk), at)

    settle_calls()
    apply_dispositions()
    follow_callbacks()

    recipient.refresh_from_db()
    callback.refresh_from_db()
    assert (recipient.status, recipient.callback_at, recipient.due_at) == ("retrying", at, at)
    assert callback.status == "scheduled"
