"""Reports and webhooks that come at the same time are stored together, and fail alone."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Workspace
from ops.bench.intake_events import answered_reports, create_calls
from ops.bench.intake_load import state_of
from telephony.models import Call, InboxEvent, Stage, Turn
from telephony.serializers.reports import read_report
from telephony.services import inbox, report_events
from telephony.services.agent_reports import MAX_COMBINED_REPORTS, Report, apply_report
from telephony.services.intake import Item, store_together
from tests import make
from tests.telephony.calls.livekit import callee, event, reported
from tests.telephony.calls.reported_calls import sent, talking
from voiceops.core.ids import uuid7

TURN = {"role": "user", "text": "Yes?"}
AGENT = {"identity": "agent-1", "kind": "AGENT"}


def report_on(call: Call | UUID, *events: dict[str, Any]) -> Report:
    call_id = call.pk if isinstance(call, Call) else call
    return Report(call_id, read_report({"events": list(events)}))


def webhook(name: str, call: Call, **participant: Any) -> InboxEvent:
    found = inbox.build_event(event(name, call, participant=participant or callee(call)))
    assert found is not None
    return found


def test_reports_applied_together_leave_what_each_alone_leaves(db: None) -> None:
    alone, together = create_calls(3), create_calls(3)
    for events in answered_reports():
        for call in alone:
            apply_report(call_id=call.pk, events=report_on(call, *events).events)

        assert None not in store_together([report_on(call, *events) for call in together])

    assert state_of(together) == state_of(alone)
    ours, others = (
        [list(call.events.order_by("at", "pk").values_list("type", "text")) for call in calls]
        for calls in (together, alone)
    )
    assert ours == others


def test_a_report_that_cannot_be_applied_leaves_each_to_its_request(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> bool:
        raise ZeroDivisionError

    monkeypatch.setitem(report_events.REPORT_HANDLERS, "usage", fail)
    first, poisoned, last = (talking(ours) for _ in range(3))
    joined = webhook("participant_joined", first)

    with transaction.atomic():  # a savepoint here, a transaction in a web process
        found = store_together(
            [
                report_on(first, reported("turn", **TURN)),
                report_on(poisoned, reported("turn", **TURN), reported("usage")),
                joined,
                report_on(last, reported("turn", **TURN)),
            ]
        )

    assert found == [None, None, None, None]
    assert not InboxEvent.objects.exists()
    assert not Turn.unscoped.exists()
    assert [record.getMessage() for record in caplog.records] == ["4 events are stored one by one"]


def test_what_is_left_to_its_request_says_why(ours: Workspace) -> None:
    going_on, ended = sent(ours), make.call(ours, stage=Stage.ENDED, ended_at=timezone.now())
    unknown = uuid7()
    for kind, of_ended in (("agent_alive", None), ("agent_joined", False)):
        reports = [report_on(pk, reported(kind)) for pk in (going_on.pk, ended.pk, unknown)]

        assert store_together(reports) == [True, of_ended, None]


def test_only_one_report_of_a_call_is_applied_in_a_group(ours: Workspace) -> None:
    call = talking(ours)
    turns = [report_on(call, reported("turn", **TURN)) for _ in range(2)]
    lives = [report_on(call, reported("agent_alive")) for _ in range(2)]

    assert store_together([*turns, *lives]) == [True, None, True, None]
    assert Turn.unscoped.count() == 1


def test_a_group_has_at_most_so_many_reports(ours: Workspace) -> None:
    calls = [talking(ours) for _ in range(MAX_COMBINED_REPORTS + 1)]

    found = store_together([report_on(call, reported("turn", **TURN)) for call in calls])

    assert found == [True] * MAX_COMBINED_REPORTS + [None]


def test_webhooks_are_stored_once_each_and_agents_are_left_to_their_requests_when_open(
    ours: Workspace,
) -> None:
    call, ended = sent(ours), make.call(ours, stage=Stage.ENDED, ended_at=timezone.now())
    repeated = webhook("participant_joined", call)
    items: list[Item] = [
        repeated,
        webhook("track_published", call),
        repeated,
        webhook("participant_joined", call, **AGENT),
        webhook("participant_left", call, **AGENT),
        webhook("participant_left", ended, **AGENT),
    ]

    assert store_together(items) == [True, True, True, True, None, True]
    stored = InboxEvent.objects.order_by("event").values_list("event", "applied_at")
    assert [(name, at is not None) for name, at in stored] == [
        ("participant_joined", False),
        ("track_published", True),
    ]


def test_a_group_of_reports_costs_few_queries(
    ours: Workspace, django_assert_num_queries: Any
) -> None:
    calls = [talking(ours, agent_joined_at=timezone.now()) for _ in range(4)]
    turns = [reported("turn", **TURN), reported("turn", **TURN)]
    reports = [report_on(call, *turns) for call in calls]

    agents = 1 if connection.vendor == "postgresql" else len(calls)
    # The calls, their turns and agents; and the test's own savepoint, begun and released.
    with django_assert_num_queries(2 + agents + 2):
        store_together(reports)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks no rows")
def test_a_call_that_is_locked_elsewhere_holds_up_no_other(ours: Workspace) -> None:
    locked, free = talking(ours), talking(ours)

    def store() -> list[bool | None]:
        try:
            turns = [report_on(call, reported("turn", **TURN)) for call in (locked, free)]
            lives = [report_on(call, reported("agent_alive")) for call in (locked, free)]
            return store_together([*turns, *lives])
        finally:
            connection.close()

    with transaction.atomic():
        Call.unscoped.select_for_update().get(pk=locked.pk)
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(store).result(timeout=10)

    assert found == [None, True, None, True]


@pytest.mark.parametrize(
    ("events", "may_be_combined"),
    [
        ([reported("turn", **TURN), reported("analysis", fields={"booked": True})], True),
        ([reported("usage", fields=5)], True),
        ([reported("turn", **TURN), reported("disposition", name="won")], False),
        ([reported("analysis", fields={"disposition": "won"})], False),
        ([reported("analysis", fields={"callback_at": "2026-12-01T10:00"})], False),
        ([reported("callback", when="2026-12-01T10:00")], False),
        ([reported("tool_call", name="stop_calling", arguments={})], False),
    ],
)
def test_a_report_that_may_wait_for_others_is_applied_alone(
    events: list[dict[str, Any]], may_be_combined: bool
) -> None:
    assert report_on(uuid7(), *events).may_be_combined is may_be_combined
