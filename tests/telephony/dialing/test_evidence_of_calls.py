"""What is known of an attempt whose answer was lost, and who may be asked about it."""

from typing import Any

import pytest

from accounts.models import Workspace
from telephony.dialing import reconciliation
from telephony.models import Call, Stage
from tests.telephony.dialing.doubtful_calls import (
    callee,
    in_doubt,
    just_now,
    webhook,
    witness,
)
from tests.telephony.dialing.fakes import callee_of, server_error
from voiceops.core.clock import database_now


async def test_room_is_deleted_once_the_fence_has_closed(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    call, now = in_doubt(ours), database_now()

    assert await reconciliation.gather_evidence(livekit, inline_db, call, now) == []

    assert (livekit.deleted, call.room_deleted_at) == ([call.room], now)


@pytest.mark.parametrize(
    "fields",
    [
        {"intent_at": database_now},
        {"callee_joined_at": database_now},
        {"room_deleted_at": database_now},
        {"intent_at": lambda: None},
    ],
    ids=["before the fence", "callee was seen", "deleted before", "never sent"],
)
async def test_room_is_left_alone_otherwise(
    ours: Workspace, livekit: Any, inline_db: Any, fields: dict[str, Any]
) -> None:
    call = in_doubt(ours, **{name: value() for name, value in fields.items()})

    await reconciliation.gather_evidence(livekit, inline_db, call, database_now())

    assert livekit.deleted == []


async def test_room_with_the_callee_in_it_is_not_deleted(
    ours: Workspace, livekit: Any, inline_db: Any
) -> None:
    call = in_doubt(ours, intent_at=just_now())
    livekit.participants[call.room] = [callee_of(call, "ringing")]

    present = await reconciliation.gather_evidence(livekit, inline_db, call, database_now())

    assert (present, livekit.deleted) == ([callee(call, "ringing")], [])


@pytest.mark.parametrize("method", ["list_participants", "delete_room"])
async def test_livekit_that_cannot_be_asked_gives_no_evidence(
    ours: Workspace, livekit: Any, inline_db: Any, method: str
) -> None:
    livekit.failures[method] = server_error(503)
    call = in_doubt(ours)

    assert await reconciliation.gather_evidence(livekit, inline_db, call, database_now()) is None
    assert call.room_deleted_at is None


@pytest.mark.parametrize("event", ["participant_joined", "participant_left", "track_published"])
def test_webhook_about_the_callee_is_evidence(ours: Workspace, event: str) -> None:
    call, other = in_doubt(ours), in_doubt(ours)
    webhook(call, event)

    assert [found.event for found in reconciliation.callee_events(call)] == [event]
    assert reconciliation.callee_events(other) == []


def test_webhook_about_the_agent_is_no_evidence_of_a_callee(ours: Workspace) -> None:
    call = in_doubt(ours)
    webhook(call, "participant_joined", identity="agent-1")

    assert reconciliation.callee_events(call) == []


def test_departure_is_read_from_the_inbox_and_from_the_agents_report(ours: Workspace) -> None:
    call = in_doubt(ours)
    before = reconciliation.gather_reports(call)
    call.events.create(
        workspace=ours, type="callee_left", at=database_now(), data={"reason": "user_unavailable"}
    )
    webhook(call, "participant_left", disconnectReason="USER_REJECTED")

    reports = reconciliation.gather_reports(call)

    assert (before.has_departed, reports.has_departed) == (False, True)
    assert [leg.reason for leg in reports.evidence.legs] == ["USER_REJECTED", "USER_UNAVAILABLE"]
    assert reports.left_reason == "USER_REJECTED"


def test_departure_of_a_leg_that_rejoined_is_no_end(ours: Workspace) -> None:
    """A leg survives a crash of the server and joins the restarted one."""
    call = in_doubt(ours)
    webhook(call, "participant_joined", created=100)
    webhook(call, "participant_left", created=105, disconnectReason="USER_UNAVAILABLE")
    webhook(call, "participant_joined", created=110)

    assert not reconciliation.gather_reports(call).has_departed


def test_departure_that_shows_an_answer_counts_although_the_leg_rejoined(ours: Workspace) -> None:
    call = in_doubt(ours, stage=Stage.RINGING)
    attributes = {"sip.callStatus": "active", "sip.callTag": "as5"}
    webhook(call, "participant_left", created=105, attributes=attributes)
    webhook(call, "participant_joined", created=110)

    reconciliation.conclude_doubt(call, database_now(), [])

    ended = Call.unscoped.get(pk=call.pk)

    assert (ended.stage, ended.outcome) == (Stage.ENDED, "answered")


@pytest.mark.parametrize(
    ("joined", "seen", "proven"),
    [(-5, 70, True), (0, 56, True), (-5, 54, False), (1, 70, False)],
    ids=["all the time", "until just before the fence", "not until the fence", "joined too late"],
)
def test_agent_is_a_witness_when_it_was_there_from_the_intent_to_the_fence(
    ours: Workspace, joined: float, seen: float, proven: bool
) -> None:
    call = witness(in_doubt(ours), joined=joined, seen=seen)

    assert reconciliation.agent_witnessed_absence(call) is proven


@pytest.mark.parametrize("column", ["intent_at", "agent_joined_at", "agent_seen_at"])
def test_agent_that_is_not_known_is_no_witness(ours: Workspace, column: str) -> None:
    call = witness(in_doubt(ours), joined=-5, seen=70)
    setattr(call, column, None)

    assert not reconciliation.agent_witnessed_absence(call)


def test_agent_that_saw_the_callee_proves_no_absence(ours: Workspace) -> None:
    call = witness(in_doubt(ours, callee_joined_at=database_now()), joined=-5, seen=70)

    assert not reconciliation.agent_witnessed_absence(call)
