"""Callbacks: planned inside the window, first in the queue, kept, followed to their end."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from accounts.models import Workspace
from batches.dialing.admission import BatchAdmission
from batches.dialing.settlement import settle_calls
from batches.models import Batch, Callback, Recipient
from batches.reporting.next_calls import NextCall, next_calls
from batches.services.callbacks import follow_callbacks
from batches.services.dispositions import apply_dispositions
from telephony.models import Call, Stage
from tests import make
from tests.batches.dialing.ended_calls import answered_call
from tests.batches.planned_callbacks import claim, in_hours, iso, make_due, plan
from tests.telephony.calls.livekit import report, reported


@pytest.fixture
def batch(ours: Workspace) -> Batch:
    return make.batch(ours, status=Batch.Status.RUNNING, started_at=timezone.now())


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


def test_its_window_is_that_of_the_number_it_calls(batch: Batch) -> None:
    # Open now in Berlin alone, wherever the recipient's own number is.
    hour = timezone.now().astimezone(ZoneInfo("Europe/Berlin")).hour
    span = {"start": f"{hour:02}:00", "end": f"{(hour + 2) % 24:02}:00"}
    window = {"timezone": "recipient", "spans": [span]}
    Batch.unscoped.filter(pk=batch.pk).update(calling_window=window)
    batch.refresh_from_db()
    recipient = make.recipient(batch, phone_number="+12025550186")
    make_due(plan(recipient, phone_number="+4930901820"))

    recipient = Recipient.unscoped.select_related("batch__workspace").get(pk=recipient.pk)
    now = timezone.now()
    assert next_calls(recipient.workspace, [recipient], now) == [NextCall(now, "waiting")]
    assert [call.to_number for call in claim(batch)] == ["+4930901820"]


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


@pytest.mark.parametrize(
    ("written", "planned"),
    [
        ("+1 (202) 555\u20110187", ["+12025550187"]),
        # The old form of a mobile number of Mexico.
        ("+52 1 55 1234 5678", ["+525512345678"]),
        ("+1 202 555 0187 ext. 5", []),
        ("+1 800 FLOWERS", []),
    ],
)
def test_a_number_that_the_agent_reports_is_read_as_everywhere(
    ours: Workspace, written: str, planned: list[str]
) -> None:
    now = timezone.now()
    call = make.call(ours, stage=Stage.IN_PROGRESS, intent_at=now, dialed_at=now, answered_at=now)

    arguments = {"at": "2099-07-01T18:00:00Z", "phone_number": written}
    report(call, reported("tool_call", name="schedule_callback", arguments=arguments))

    assert list(Callback.unscoped.values_list("phone_number", flat=True)) == planned


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        ("Asia/Tokyo", "2099-07-01T09:00:00Z"),
        # A postal code that lies in both leaves the workspace's clock.
        ("America/Denver America/Phoenix", "2099-07-01T18:00:00Z"),
        (None, "2099-07-01T22:00:00Z"),
    ],
)
def test_a_time_that_the_agent_reports_is_by_the_clock_of_the_list(
    batch: Batch, zones: str | None, expected: str
) -> None:
    recipient = make.recipient(batch, phone_number="+12025550187", timezone=zones)
    call = answered_call(batch, recipient)

    report(call, reported("callback", when="2099-07-01T18:00:00"))

    assert iso(Callback.unscoped.get().at) == expected


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
