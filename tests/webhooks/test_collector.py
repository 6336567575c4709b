import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from batches.models import Batch, Recipient
from batches.services.batches import pause_batch, resume_batch, start_batch, stop_batch
from telephony.domain import call_states
from telephony.domain.dial_verdicts import BY_REASON
from telephony.models import Call, Stage
from tests import make
from webhooks.collector import collect_events
from webhooks.models import EVENTS, WebhookDelivery, WebhookEndpoint, WebhookEvent


@pytest.fixture
def endpoint(ours: Workspace) -> WebhookEndpoint:
    return make.webhook(ours)


def told(of: Workspace) -> list[tuple[str, Any]]:
    """Type and data of every event, in the order they were written down."""
    return [
        (event.type, json.loads(event.body)["data"]) for event in of.webhook_events.order_by("pk")
    ]


def types(of: Workspace) -> list[str]:
    return [event.type for event in of.webhook_events.order_by("pk")]


def talk(call: Call) -> None:
    """From the dial to the hang-up."""
    now = timezone.now()
    call_states.mark_callee_joined(call, at=now, source="test")
    call_states.mark_ringing(call, at=now, source="test")
    call_states.mark_answered(call, at=now, source="test")
    call_states.mark_hung_up(call, at=now, reason="callee_hangup", by="callee")


def test_a_call_is_told_from_start_to_end_as_the_api_shows_it(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    call = make.call(ours, stage=Stage.INTENT)
    talk(call)

    new = collect_events()

    shown = make.client(ours).get(f"/calls/{call.pk}").json()
    assert new == 3
    assert told(ours) == [("call.started", shown), ("call.answered", shown), ("call.ended", shown)]
    assert list(endpoint.deliveries.values_list("status", "attempts")) == [("pending", 0)] * 3


def test_an_analysis_is_told_with_its_call(ours: Workspace, endpoint: WebhookEndpoint) -> None:
    call = make.call(ours, stage=Stage.INTENT)
    talk(call)
    found = {"summary": "They agreed.", "fields": {"mood": "good"}}
    call_states.add_event(
        call, type="analysis", text="The agent analysed the call", at=timezone.now(), data=found
    )

    collect_events()

    shown, analysis = (
        make.client(ours).get(f"/calls/{call.pk}{path}").json() for path in ("", "/analysis")
    )
    assert told(ours)[-1] == ("call.analyzed", {**shown, "analysis": analysis})


def test_what_happened_is_told_once_however_often_it_is_looked_at(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    talk(make.call(ours, stage=Stage.INTENT))

    counts = [collect_events(), collect_events(), collect_events()]

    assert counts == [3, 0, 0]
    assert WebhookDelivery.unscoped.count() == 3


def test_every_step_is_told_as_it_comes(ours: Workspace, endpoint: WebhookEndpoint) -> None:
    call = make.call(ours, stage=Stage.INTENT)
    now = timezone.now()

    steps = []
    for step in (
        call_states.mark_callee_joined,
        call_states.mark_ringing,
        call_states.mark_answered,
    ):
        step(call, at=now, source="test")
        collect_events()
        steps.append(types(ours))

    assert steps == [["call.started"], ["call.started"], ["call.started", "call.answered"]]


def test_a_busy_line_is_told_too(ours: Workspace, endpoint: WebhookEndpoint) -> None:
    call = make.call(ours, stage=Stage.INTENT)
    call_states.mark_failed(call, verdict=BY_REASON["busy"], at=timezone.now(), sip_status_code=486)

    collect_events()

    assert [(type, data["outcome"]) for type, data in told(ours)] == [
        ("call.started", "busy"),
        ("call.ended", "busy"),
    ]


def test_an_attempt_that_was_never_sent_is_not_told(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    batch = make.batch(ours)
    person = make.recipient(batch)
    call = make.call(ours, batch_id=batch.pk, recipient_id=person.pk)
    call_states.mark_failed(
        call, verdict=BY_REASON["no_agent"], at=timezone.now(), since=(Stage.RESERVED,)
    )

    collect_events()

    assert types(ours) == []


def test_an_endpoint_is_told_what_it_asked_for_and_only_of_its_workspace(
    ours: Workspace, theirs: Workspace
) -> None:
    ends, everything = make.webhook(ours, events=["call.ended"]), make.webhook(ours)
    make.webhook(ours, is_enabled=False)
    foreign = make.webhook(theirs)
    talk(make.call(ours, stage=Stage.INTENT))

    collect_events()

    assert [
        list(e.deliveries.order_by("pk").values_list("event__type", flat=True))
        for e in (ends, everything)
    ] == [
        ["call.ended"],
        ["call.started", "call.answered", "call.ended"],
    ]
    assert not foreign.deliveries.exists()


def test_a_new_endpoint_is_not_told_the_past(ours: Workspace) -> None:
    talk(make.call(ours, stage=Stage.INTENT))
    make.webhook(ours)

    assert collect_events() == 0


def test_what_happened_while_no_worker_lived_is_told_later(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    collect_events()
    WebhookEndpoint.unscoped.update(created_at=timezone.now() - timedelta(days=2))
    talk(make.call(ours, stage=Stage.INTENT))

    assert collect_events() == 3


def test_a_batch_is_told_from_start_to_stop(ours: Workspace, endpoint: WebhookEndpoint) -> None:
    batch = make.batch(ours, name="Reminders")
    make.recipient(batch)
    for step in (start_batch, pause_batch, resume_batch, pause_batch, stop_batch):
        step(batch=batch)

    collect_events()
    collect_events()

    assert sorted(types(ours)) == ["batch.paused", "batch.paused", "batch.started", "batch.stopped"]
    assert {data["name"] for _, data in told(ours)} == {"Reminders"}


def test_a_batch_that_paused_itself_says_why_once(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    batch = make.batch(ours, status=Batch.Status.PAUSED, error="The trunk is gone.")

    collect_events()
    collect_events()
    Batch.unscoped.filter(pk=batch.pk).update(status="running", error=None)
    collect_events()
    Batch.unscoped.filter(pk=batch.pk).update(status="paused", error="Again.")
    collect_events()

    assert [(type, data["error"]) for type, data in told(ours)] == [
        ("batch.paused", "The trunk is gone."),
        ("batch.paused", "Again."),
    ]


def test_a_completed_batch_is_told_with_its_counts(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    batch = make.batch(ours, status=Batch.Status.COMPLETED, ended_at=timezone.now())
    make.recipient(batch, status="completed")

    collect_events()

    ((type, data),) = told(ours)
    assert (type, data["id"], data["counts"]["completed"], data["counts"]["total"]) == (
        "batch.completed",
        str(batch.pk),
        1,
        1,
    )


@pytest.mark.parametrize(
    ("status", "finished"), [("completed", True), ("failed", True), ("retrying", False)]
)
def test_a_person_is_told_when_nobody_will_call_them_again(
    ours: Workspace, endpoint: WebhookEndpoint, status: str, finished: bool
) -> None:
    batch = make.batch(ours)
    person = make.recipient(batch)
    call = make.call(ours, stage=Stage.INTENT, batch_id=batch.pk, recipient_id=person.pk)
    talk(call)

    collect_events()
    before = types(ours)
    Recipient.unscoped.filter(pk=person.pk).update(status=status, attempts=1, last_call_id=call.pk)
    Call.unscoped.filter(pk=call.pk).update(settled_at=timezone.now())
    collect_events()
    collect_events()

    after = told(ours)[len(before) :]
    assert before == ["call.started", "call.answered", "call.ended"]
    assert [type for type, _ in after] == (["recipient.finished"] if finished else [])
    if finished:
        assert after[0][1] == {
            "id": str(person.pk),
            "batch_id": str(batch.pk),
            "row_number": person.row_number,
            "phone_number": person.phone_number,
            "variables": {"first_name": "Ada"},
            "status": status,
            "reason": None,
            "attempts": 1,
            "outcome": None,
            "last_call_id": str(call.pk),
        }


def test_a_recording_is_told_when_it_is_ready(ours: Workspace, endpoint: WebhookEndpoint) -> None:
    call = make.call(ours, stage=Stage.INTENT)
    talk(call)
    call_states.add_event(
        call, type="recording_ready", text="The recording is ready", at=timezone.now()
    )

    collect_events()

    assert types(ours)[-1] == "call.recording_ready"


def test_nothing_is_written_down_where_nobody_listens(ours: Workspace) -> None:
    talk(make.call(ours, stage=Stage.INTENT))

    assert collect_events() == 0
    assert not WebhookEvent.unscoped.exists()


def test_every_event_we_name_can_be_asked_for(ours: Workspace) -> None:
    response = make.client(ours).post(
        "/webhooks", {"url": "https://example.com", "events": list(EVENTS)}
    )

    assert (response.status_code, response.json()["events"]) == (201, list(EVENTS))
