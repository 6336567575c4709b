from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Workspace
from batches.models import Batch, Recipient
from batches.services.batches import pause_batch, resume_batch, start_batch, stop_batch
from telephony.domain import call_states, timeline
from telephony.domain.dial_verdicts import BY_REASON
from telephony.models import Call, Stage
from tests import make
from tests.webhooks.collected import events_of
from webhooks.collector import collect_events
from webhooks.models import EVENTS, WebhookDelivery, WebhookEndpoint, WebhookEvent


@pytest.fixture
def endpoint(ours: Workspace) -> WebhookEndpoint:
    return make.webhook(ours)


def types_of(workspace: Workspace) -> list[str]:
    return [event.type for event in workspace.webhook_events.order_by("pk")]


def complete_call(call: Call) -> None:
    """Move a call from the dial to the hang-up."""
    now = timezone.now()
    call_states.mark_callee_joined(call, at=now, source="test")
    call_states.mark_ringing(call, at=now, source="test")
    call_states.mark_answered(call, at=now, source="test")
    call_states.mark_hung_up(call, at=now, reason="callee_hangup", by="callee")


def test_call_events_carry_the_call_as_the_api_shows_it(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    call = make.call(ours, stage=Stage.INTENT)
    complete_call(call)

    new = collect_events()

    shown = make.client(ours).get(f"/calls/{call.pk}").json()
    assert new == 3
    assert events_of(ours) == [
        ("call.started", shown),
        ("call.answered", shown),
        ("call.ended", shown),
    ]
    assert list(endpoint.deliveries.values_list("status", "attempts")) == [("pending", 0)] * 3


def test_analysis_event_carries_call_and_analysis(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    call = make.call(ours, stage=Stage.INTENT)
    complete_call(call)
    result = {"summary": "They agreed.", "fields": {"mood": "good"}}
    timeline.add_event(
        call, type="analysis", text="The agent analysed the call", at=timezone.now(), data=result
    )

    collect_events()

    shown, analysis = (
        make.client(ours).get(f"/calls/{call.pk}{path}").json() for path in ("", "/analysis")
    )
    assert events_of(ours)[-1] == ("call.analyzed", {**shown, "analysis": analysis})


def test_event_is_stored_once_however_often_it_is_found(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    complete_call(make.call(ours, stage=Stage.INTENT))

    counts = [collect_events(), collect_events(), collect_events()]

    assert counts == [3, 0, 0]
    assert WebhookDelivery.unscoped.count() == 3


def test_each_state_becomes_an_event_when_it_is_reached(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
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
        steps.append(types_of(ours))

    assert steps == [["call.started"], ["call.started"], ["call.started", "call.answered"]]


def test_answer_that_is_known_after_the_end_is_sent_with_the_corrected_call(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    call = make.call(ours, stage=Stage.INTENT)
    call_states.mark_failed(call, verdict=BY_REASON["no_answer"], at=timezone.now())
    collect_events()

    call_states.mark_answered(call, at=timezone.now(), source="livekit")
    collect_events()

    corrected = make.client(ours).get(f"/calls/{call.pk}").json()
    assert (corrected["status"], corrected["outcome"]) == ("ended", "answered")
    assert [type for type, _ in events_of(ours)] == ["call.started", "call.ended", "call.answered"]
    assert events_of(ours)[-1] == ("call.answered", corrected)


def test_busy_call_is_started_and_ended(ours: Workspace, endpoint: WebhookEndpoint) -> None:
    call = make.call(ours, stage=Stage.INTENT)
    call_states.mark_failed(call, verdict=BY_REASON["busy"], at=timezone.now(), sip_status_code=486)

    collect_events()

    assert [(type, data["outcome"]) for type, data in events_of(ours)] == [
        ("call.started", "busy"),
        ("call.ended", "busy"),
    ]


def test_attempt_that_was_never_sent_has_no_events(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    batch = make.batch(ours)
    recipient = make.recipient(batch)
    call = make.call(ours, batch_id=batch.pk, recipient_id=recipient.pk)
    call_states.mark_failed(
        call, verdict=BY_REASON["no_agent"], at=timezone.now(), since=(Stage.RESERVED,)
    )

    collect_events()

    assert types_of(ours) == []


def test_endpoint_gets_the_events_it_subscribes_to_of_its_own_workspace(
    ours: Workspace, theirs: Workspace
) -> None:
    ends, everything = make.webhook(ours, events=["call.ended"]), make.webhook(ours)
    make.webhook(ours, is_enabled=False)
    foreign = make.webhook(theirs)
    complete_call(make.call(ours, stage=Stage.INTENT))

    collect_events()

    assert [
        list(e.deliveries.order_by("pk").values_list("event__type", flat=True))
        for e in (ends, everything)
    ] == [
        ["call.ended"],
        ["call.started", "call.answered", "call.ended"],
    ]
    assert not foreign.deliveries.exists()


def test_new_endpoint_gets_no_events_older_than_itself(ours: Workspace) -> None:
    complete_call(make.call(ours, stage=Stage.INTENT))
    make.webhook(ours)

    assert collect_events() == 0


def test_events_missed_while_no_worker_ran_are_collected_later(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    collect_events()
    WebhookEndpoint.unscoped.update(created_at=timezone.now() - timedelta(days=2))
    complete_call(make.call(ours, stage=Stage.INTENT))

    assert collect_events() == 3


def test_batch_events_from_start_to_stop(ours: Workspace, endpoint: WebhookEndpoint) -> None:
    batch = make.batch(ours, name="Reminders")
    make.recipient(batch)
    for step in (start_batch, pause_batch, resume_batch, pause_batch, stop_batch):
        step(batch=batch)

    collect_events()
    collect_events()

    assert sorted(types_of(ours)) == [
        "batch.paused",
        "batch.paused",
        "batch.resumed",
        "batch.started",
        "batch.stopped",
        "recipient.finished",
    ]
    assert {data["name"] for type, data in events_of(ours) if type.startswith("batch.")} == {
        "Reminders"
    }


def test_batch_paused_by_its_breaker_is_reported_once_with_the_error(
    ours: Workspace, endpoint: WebhookEndpoint
) -> None:
    batch = make.batch(ours, status=Batch.Status.PAUSED, error="The trunk is gone.")

    collect_events()
    collect_events()
    Batch.unscoped.filter(pk=batch.pk).update(status="running", error=None)
    collect_events()
    Batch.unscoped.filter(pk=batch.pk).update(status="paused", error="Again.")
    collect_events()

    assert [(type, data["error"]) for type, data in events_of(ours)] == [
        ("batch.paused", "The trunk is gone."),
        ("batch.resumed", None),
        ("batch.paused", "Again."),
    ]


def test_completed_batch_carries_its_counts(ours: Workspace, endpoint: WebhookEndpoint) -> None:
    batch = make.batch(ours, status=Batch.Status.COMPLETED, ended_at=timezone.now())
    make.recipient(batch, status="completed")

    collect_events()

    ((type, data),) = events_of(ours)
    assert (type, data["id"], data["counts"]["completed"], data["counts"]["total"]) == (
        "batch.completed",
        str(batch.pk),
        1,
        1,
    )


@pytest.mark.parametrize(
    ("status", "finished"), [("completed", True), ("failed", True), ("retrying", False)]
)
def test_recipient_is_finished_when_no_attempt_follows(
    ours: Workspace, endpoint: WebhookEndpoint, status: str, finished: bool
) -> None:
    batch = make.batch(ours)
    recipient = make.recipient(batch)
    call = make.call(ours, stage=Stage.INTENT, batch_id=batch.pk, recipient_id=recipient.pk)
    complete_call(call)

    collect_events()
    before = types_of(ours)
    Recipient.unscoped.filter(pk=recipient.pk).update(
        status=status, attempts=1, last_call_id=call.pk
    )
    Call.unscoped.filter(pk=call.pk).update(settled_at=timezone.now())
    collect_events()
    collect_events()

    after = events_of(ours)[len(before) :]
    assert before == ["call.started", "call.answered", "call.ended"]
    assert [type for type, _ in after] == (["recipient.finished"] if finished else [])
    if finished:
        assert after[0][1] == {
            "id": str(recipient.pk),
            "batch_id": str(batch.pk),
            "row_number": recipient.row_number,
            "phone_number": recipient.phone_number,
            "variables": {"first_name": "Ada"},
            "status": status,
            "reason": None,
            "attempts": 1,
            "outcome": None,
            "disposition": None,
            "disposition_by": None,
            "last_call_id": str(call.pk),
            "external_id": None,
            "timezone": None,
            "alternative_numbers": [],
        }


def test_recording_ready_becomes_an_event(ours: Workspace, endpoint: WebhookEndpoint) -> None:
    call = make.call(ours, stage=Stage.INTENT)
    complete_call(call)
    timeline.add_event(
        call, type="recording_ready", text="The recording is ready", at=timezone.now()
    )

    collect_events()

    assert types_of(ours)[-1] == "call.recording_ready"


def test_nothing_is_stored_without_an_endpoint(ours: Workspace) -> None:
    complete_call(make.call(ours, stage=Stage.INTENT))

    assert collect_events() == 0
    assert not WebhookEvent.unscoped.exists()


def test_endpoint_can_subscribe_to_every_event(ours: Workspace) -> None:
    response = make.client(ours).post(
        "/webhooks", {"url": "https://example.com", "events": list(EVENTS)}
    )

    assert (response.status_code, response.json()["events"]) == (201, list(EVENTS))
