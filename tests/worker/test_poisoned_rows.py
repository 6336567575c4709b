"""One row on which a step fails unexpectedly, at every position of every loop of the worker: the
rows of its neighbours are done all the same, and it is tried again later.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from agents import prompts
from batches.models import Batch, Recipient, Suppression
from batches.services import automatic_start, dispositions, imports, opt_outs
from telephony.clients import recording_storage
from telephony.domain import timeline
from telephony.models import Call, InboxEvent, Stage
from telephony.services import inbox, livekit_events, recording_files, transcripts
from tests import make
from tests.batches.importing import lists
from voiceops.core.ids import uuid7
from voiceops.core.isolation import SetAside
from webhooks import collector, events
from webhooks.models import WebhookEvent
from worker.periodic import webhook_delivery

POSITIONS = [0, 1, 2]
pytestmark = pytest.mark.parametrize("position", POSITIONS)


class PoisonError(Exception):
    """What no code expects."""


@pytest.fixture
def workspaces(db: None) -> list[Workspace]:
    return [make.workspace(name=f"Workspace {at}") for at in POSITIONS]


@pytest.fixture(autouse=True)
def nothing_set_aside() -> Iterator[None]:
    yield
    # The ids of these rows begin again with every test.
    inbox.inapplicable.forget()
    events.unreadable.forget()


def poison(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, is_poisoned: Callable[..., bool]
) -> None:
    """Makes a function fail for one row."""
    original = getattr(owner, name)

    def fail_or_run(*arguments: Any, **named: Any) -> Any:
        if is_poisoned(*arguments, **named):
            raise PoisonError
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, fail_or_run)


def test_a_call_without_a_readable_event_silences_no_other(
    position: int, workspaces: list[Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    for workspace in workspaces:
        make.webhook(workspace, created_at=timezone.now() - timedelta(minutes=1))
        calls.append(make.call(workspace, dialed_at=timezone.now(), stage=Stage.ENDED))
        timeline.add_event(calls[-1], type="ended", text="", at=timezone.now())
    with monkeypatch.context() as patched:
        poison(patched, events, "serialize_call", lambda call: call.pk == calls[position].pk)
        collector.collect_events()
    neighbours = {call.workspace_id for call in calls} - {calls[position].workspace_id}
    first = set(WebhookEvent.unscoped.values_list("workspace_id", flat=True))

    monkeypatch.setattr(collector, "DEEP_COLLECT_INTERVAL", timedelta())
    monkeypatch.setattr(collector, "DEEP_COLLECT_OVERLAP", timedelta())
    collector.collect_events()

    assert first == neighbours
    assert WebhookEvent.unscoped.filter(workspace=calls[position].workspace_id).exists()


def test_a_number_beyond_64_bits_is_sent(position: int, workspaces: list[Workspace]) -> None:
    for at, workspace in enumerate(workspaces):
        make.webhook(workspace, created_at=timezone.now() - timedelta(minutes=1))
        call = make.call(
            workspace,
            dialed_at=timezone.now(),
            stage=Stage.ENDED,
            variables={"debt": 10**25 if at == position else 5},
        )
        timeline.add_event(call, type="ended", text="", at=timezone.now())

    collector.collect_events()

    bodies = WebhookEvent.unscoped.filter(type="call.ended").values_list("body", flat=True)
    assert len(bodies) == 3
    assert sum('"debt":10000000000000000000000000' in body for body in bodies) == 1
    assert prompts.render("Owes {{debt}}", {"debt": 10**25}) == "Owes 10000000000000000000000000"


def test_a_recipient_without_a_readable_event_silences_no_other(
    position: int, workspaces: list[Workspace]
) -> None:
    recipients = []
    for workspace in workspaces:
        make.webhook(workspace, created_at=timezone.now() - timedelta(minutes=1))
        recipients.append(
            make.recipient(
                make.batch(workspace),
                status="skipped",
                reason="duplicate",
                due_at=None,
                unreported_at=timezone.now(),
            )
        )
    poisoned = Recipient.unscoped.filter(pk=recipients[position].pk)
    poisoned.update(values=7)

    collector.collect_events()
    first = WebhookEvent.unscoped.filter(type="recipient.finished").count()
    poisoned.update(values=["", ""])
    collector.collect_events()
    while_set_aside = WebhookEvent.unscoped.filter(type="recipient.finished").count()
    events.unreadable.forget()
    collector.collect_events()

    assert (first, while_set_aside) == (2, 2)
    assert WebhookEvent.unscoped.filter(type="recipient.finished").count() == 3


def test_an_opt_out_that_fails_holds_back_no_other(
    position: int, workspaces: list[Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [make.call(each, opt_out_at=timezone.now()) for each in workspaces]
    poison(
        monkeypatch,
        opt_outs,
        "suppress_other_party",
        lambda call, asked_at: call.pk == calls[position].pk,
    )

    opt_outs.suppress_opt_outs()

    assert Suppression.unscoped.count() == 2
    assert Call.unscoped.exclude(opt_out_at=None).get().pk == calls[position].pk


def test_a_disposition_that_fails_holds_back_no_other(
    position: int, workspaces: list[Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [
        make.call(each, stage=Stage.ENDED, disposition_at=timezone.now()) for each in workspaces
    ]
    poison(monkeypatch, dispositions, "_carry_out", lambda call: call.pk == calls[position].pk)

    dispositions.apply_dispositions()

    assert Call.unscoped.exclude(disposition_at=None).get().pk == calls[position].pk


def test_an_event_of_livekit_that_fails_holds_back_no_other(
    position: int, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    received_at = timezone.now() - timedelta(minutes=5)
    rows = [
        InboxEvent.objects.create(
            event_id=f"EV_{at}",
            event="room_finished",
            room=f"vo-{uuid7()}",
            body={},
            received_at=received_at,
        )
        for at in POSITIONS
    ]
    poison(
        monkeypatch,
        livekit_events,
        "plan_change_of",
        lambda event, call: event.pk == rows[position].pk,
    )

    inbox.apply_pending_events(limit=3)
    inbox.apply_pending_events(limit=1)

    assert InboxEvent.objects.get(applied_at=None).pk == rows[position].pk


def test_a_list_that_cannot_be_read_is_reported_and_read_later(
    position: int, workspaces: list[Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"phone_number": "+12025550186"}]
    batches = [lists.batch(each, rows, status="validating") for each in workspaces]
    with monkeypatch.context() as patched:
        poison(patched, imports, "_store_rows", lambda job: job.batch.pk == batches[position].pk)
        for batch in batches:
            imports.import_batch(batch.pk)

    found = [Batch.unscoped.get(pk=batch.pk) for batch in batches]
    assert [batch.recipients.count() for batch in found] == [
        int(at != position) for at in POSITIONS
    ]
    assert found[position].error == imports.IMPORT_TROUBLE
    Batch.unscoped.update(import_lease_expires_at=None)
    imports.import_batch(batches[position].pk)
    found[position].refresh_from_db()
    assert (found[position].recipients.count(), found[position].error) == (1, None)


def test_a_batch_that_cannot_start_holds_back_no_other(
    position: int, workspaces: list[Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    batches = [
        make.batch(each, status="scheduled", start="scheduled", scheduled_at=now)
        for each in workspaces
    ]
    for batch in batches:
        make.recipient(batch)
    poison(
        monkeypatch,
        automatic_start,
        "start_batch",
        lambda *, batch: batch.pk == batches[position].pk,
    )

    started = automatic_start.start_due_batches(now)

    assert started == 2


def test_an_endpoint_that_cannot_be_signed_for_is_reported_and_tried_later(
    position: int, workspaces: list[Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries = [make.delivery(make.webhook(each)) for each in workspaces]
    poison(
        monkeypatch,
        webhook_delivery,
        "send_delivery",
        lambda *, delivery, now: delivery.pk == deliveries[position].pk,
    )
    now = timezone.now()

    arrived = [webhook_delivery.attempt_delivery(delivery, now) for delivery in deliveries]

    poisoned = deliveries[position]
    poisoned.refresh_from_db()
    assert arrived[position] is False
    assert (poisoned.status, poisoned.attempts, poisoned.due_at > now) == ("pending", 1, True)
    assert poisoned.error == webhook_delivery.NOT_SENT.error


def test_retention_of_one_workspace_stops_no_other(
    position: int, workspaces: list[Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    Workspace.unscoped.update(transcript_retention_days=1)
    ids = sorted(workspace.pk for workspace in Workspace.unscoped.all())
    poison(
        monkeypatch,
        transcripts,
        "_overdue_calls",
        lambda workspace, _: workspace.pk == ids[position],
    )
    old = timezone.now() - timedelta(days=2)
    for workspace in workspaces:
        call = make.call(workspace, stage=Stage.ENDED, ended_at=old)
        timeline.add_event(call, type="analysis", text="", data={"a": 1}, at=old)

    assert transcripts.prune_transcripts() == 2


def test_a_recording_that_cannot_be_deleted_keeps_no_other(
    position: int, workspaces: list[Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    Workspace.unscoped.update(recording_retention_days=1)
    old = timezone.now() - timedelta(days=2)
    for at, workspace in enumerate(workspaces):
        call = make.call(workspace, has_recording=True)
        workspace.recordings.create(
            call=call, status="ready", ready_at=old, storage_key=f"{workspace.pk}/{at}.ogg"
        )
    poison(
        monkeypatch,
        recording_storage,
        "delete",
        lambda key: key.endswith(f"/{position}.ogg"),
    )

    assert recording_files.prune_recordings() == 2


def test_a_row_set_aside_is_tried_again_after_twice_the_time(position: int, db: None) -> None:
    kept = SetAside()
    ran: list[int] = []

    for _ in range(position + 1):
        assert kept.run(lambda: [][0], "row") is None
    wait = kept._rows["row"][1]
    kept.run(ran.append, "other", 1)

    assert kept.waiting() == ["row"]
    assert wait == SetAside.FIRST_WAIT_SECONDS * 2**position
    kept.run(ran.append, "row", 2)
    assert (kept.waiting(), ran) == ([], [1, 2])
