"""Attempts whose answer was lost: proof, an outcome, or review by an operator."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import Workspace
from telephony.clients.livekit.rooms import Participant
from telephony.dialing import reconciliation
from telephony.models import Call, Stage
from tests import make
from tests.telephony.dialing.doubtful_calls import (
    callee,
    in_doubt,
    just_now,
    webhook,
    witness,
)
from tests.telephony.dialing.fakes import callee_of
from voiceops.core.clock import database_now
from voiceops.core.ids import uuid7


@pytest.fixture
def now(ours: Workspace) -> datetime:
    return database_now()


def conclude(call: Call, now: datetime, participants: list[Participant] | None) -> Call:
    reconciliation.conclude_doubt(call, now, participants)
    return Call.unscoped.get(pk=call.pk)


# --- abandoned reservations


def reserved(of: Workspace, *, expired: bool = True, **fields: Any) -> Call:
    lease = timedelta(seconds=-1 if expired else 10)
    return make.call(of, lease_owner=uuid7(), lease_expires_at=database_now() + lease, **fields)


def test_batchs_call_of_a_dispatcher_that_died_is_closed_without_an_attempt(
    ours: Workspace,
) -> None:
    call = reserved(ours, batch_id=uuid7())

    assert reconciliation.close_abandoned() == 1

    call.refresh_from_db()
    assert (call.stage, call.end_reason, call.counts) == (Stage.ENDED, "abandoned", False)


def test_ordered_call_of_a_dispatcher_that_died_is_offered_to_the_next(ours: Workspace) -> None:
    call = reserved(ours)

    assert reconciliation.close_abandoned() == 1

    call.refresh_from_db()
    assert (call.stage, call.lease_owner, call.lease_expires_at) == (Stage.RESERVED, None, None)


def test_call_under_a_lease_is_left_to_its_dispatcher(ours: Workspace) -> None:
    call = reserved(ours, expired=False, batch_id=uuid7())

    assert reconciliation.close_abandoned() == 0
    assert Call.unscoped.get(pk=call.pk).stage == Stage.RESERVED


def test_queued_call_that_no_dispatcher_has_is_left_alone(ours: Workspace) -> None:
    make.call(ours)

    assert reconciliation.close_abandoned() == 0


# --- unattended intents


def test_intent_whose_lease_has_expired_is_in_doubt(ours: Workspace) -> None:
    call = reserved(ours, stage=Stage.INTENT)

    assert reconciliation.leave_unattended_in_doubt() == 1

    call.refresh_from_db()
    assert (call.stage, call.lease_expires_at) == (Stage.UNKNOWN, None)


def test_intent_that_is_attended_stays(ours: Workspace) -> None:
    reserved(ours, expired=False, stage=Stage.INTENT)

    assert reconciliation.leave_unattended_in_doubt() == 0


@pytest.mark.parametrize("stage", [Stage.UNKNOWN, Stage.DIALING, Stage.RINGING])
def test_unattended_call_that_was_not_answered_is_in_doubt(ours: Workspace, stage: Stage) -> None:
    call = in_doubt(ours, stage=stage)
    in_doubt(ours, stage=stage, lease_expires_at=database_now() + timedelta(seconds=10))
    in_doubt(ours, stage=stage, direction="inbound")
    in_doubt(ours, stage=Stage.IN_PROGRESS)

    assert reconciliation.calls_in_doubt(database_now()) == [call]


# --- conclusions


@pytest.mark.parametrize(
    ("status", "stage"),
    [
        ("dialing", Stage.DIALING),
        ("ringing", Stage.RINGING),
        ("active", Stage.IN_PROGRESS),
    ],
)
def test_callee_in_the_room_moves_the_call_as_far_as_their_leg_is(
    ours: Workspace, now: datetime, status: str, stage: Stage
) -> None:
    call = in_doubt(ours, intent_at=just_now())

    assert conclude(call, now, [callee(call, status)]).stage == stage


def test_call_without_a_trace_is_proven_unsent_by_its_agent(ours: Workspace, now: datetime) -> None:
    call = witness(in_doubt(ours, room_deleted_at=now - timedelta(seconds=3)), joined=-5, seen=70)

    ended = conclude(call, now, [])

    assert (ended.outcome, ended.end_reason, ended.counts) == ("cancelled", "not_placed", False)


def test_call_without_a_trace_and_witness_goes_to_review(ours: Workspace, now: datetime) -> None:
    ended = conclude(in_doubt(ours, room_deleted_at=now - timedelta(seconds=3)), now, [])

    assert (ended.stage, ended.outcome) == (Stage.ENDED, "unknown")


@pytest.mark.parametrize("seconds", [None, 1])
def test_nothing_is_concluded_before_the_room_has_been_gone_for_a_while(
    ours: Workspace, now: datetime, seconds: int | None
) -> None:
    deleted_at = None if seconds is None else now - timedelta(seconds=seconds)

    assert conclude(in_doubt(ours, room_deleted_at=deleted_at), now, []).stage == Stage.UNKNOWN


def test_nothing_is_concluded_while_livekit_cannot_be_asked(ours: Workspace, now: datetime) -> None:
    call = in_doubt(ours, room_deleted_at=now - timedelta(seconds=30))

    assert conclude(call, now, None).stage == Stage.UNKNOWN


def test_callee_known_from_the_inbox_whose_phone_nobody_heard_goes_to_review(
    ours: Workspace, now: datetime
) -> None:
    """LiveKit joins the callee before it sends the INVITE, and may die in between."""
    call = in_doubt(ours, intent_at=just_now())
    webhook(call, "participant_joined")

    seen = conclude(call, now, [])
    assert (seen.stage, seen.callee_joined_at) == (Stage.DIALING, now)
    ended = conclude(seen, now + timedelta(seconds=31), [])

    assert (ended.stage, ended.outcome, ended.end_reason) == (Stage.ENDED, "unknown", "in_doubt")


@pytest.mark.parametrize(
    ("reason", "status", "outcome"),
    [
        ("USER_REJECTED", "ringing", "declined"),
        ("USER_UNAVAILABLE", "ringing", "no_answer"),
        ("USER_UNAVAILABLE", "", "unknown"),
        ("USER_UNAVAILABLE", "dialing", "carrier_error"),
        ("ROOM_DELETED", "ringing", "no_answer"),
        ("SIP_TRUNK_FAILURE", "dialing", "carrier_error"),
        ("CLIENT_INITIATED", "hangup", "answered"),
        ("ROOM_DELETED", "active", "answered"),
        ("CONNECTION_TIMEOUT", "active", "answered"),
        ("CLIENT_INITIATED", "", "unknown"),
        ("CLIENT_INITIATED", "ringing", "unknown"),
        ("ROOM_DELETED", "dialing", "unknown"),
        ("CONNECTION_TIMEOUT", "ringing", "unknown"),
        ("UNKNOWN_REASON", "ringing", "unknown"),
        ("", "ringing", "unknown"),
        ("A_NEW_REASON", "ringing", "unknown"),
    ],
)
def test_departure_of_the_callee_gives_the_outcome(
    ours: Workspace, now: datetime, reason: str, status: str, outcome: str
) -> None:
    call = in_doubt(ours, stage=Stage.DIALING)
    webhook(
        call, "participant_left", disconnectReason=reason, attributes={"sip.callStatus": status}
    )

    assert conclude(call, now, []).outcome == outcome


@pytest.mark.parametrize(("rang", "outcome"), [(False, "carrier_error"), (True, "unknown")])
def test_failed_carrier_is_free_only_when_the_phone_never_rang(
    ours: Workspace, now: datetime, rang: bool, outcome: str
) -> None:
    call = in_doubt(ours, stage=Stage.DIALING, ringing_at=now if rang else None)
    attributes = {"sip.callStatus": "dialing"}
    webhook(call, "participant_left", disconnectReason="CLIENT_INITIATED", attributes=attributes)

    assert conclude(call, now, []).outcome == outcome


def test_agent_that_lost_its_connection_proves_nothing(ours: Workspace, now: datetime) -> None:
    call = in_doubt(ours, stage=Stage.RINGING)
    call.events.create(workspace=ours, type="callee_left", at=now, data={"reason": ""})

    ended = conclude(call, now, [])

    assert (ended.outcome, ended.end_reason) == ("unknown", "in_doubt")


@pytest.mark.parametrize("livekits_comes_first", [False, True])
def test_dead_carrier_is_no_unanswered_phone_in_either_order_of_reports(
    ours: Workspace, now: datetime, livekits_comes_first: bool
) -> None:
    """The agent knows why the callee left, and not that their phone never rang."""
    call = in_doubt(ours, stage=Stage.DIALING, intent_at=just_now(), heard_at=now)

    def agents() -> None:
        call.events.create(
            workspace=ours, type="callee_left", at=now, data={"reason": "user_unavailable"}
        )

    def livekits() -> None:
        dialing = {"sip.callStatus": "dialing"}
        reason = "USER_UNAVAILABLE"
        webhook(call, "participant_left", disconnectReason=reason, attributes=dialing)

    first, second = (livekits, agents) if livekits_comes_first else (agents, livekits)
    first()
    alone = conclude(call, now, []).stage
    second()
    ended = conclude(call, now, [])

    assert (alone == Stage.ENDED, ended.outcome, ended.counts) == (
        livekits_comes_first,
        "carrier_error",
        False,
    )


@pytest.mark.parametrize(("rang", "outcome"), [(False, "unknown"), (True, "no_answer")])
def test_departure_that_only_the_agent_reports_is_the_callees_where_their_phone_rang(
    ours: Workspace, now: datetime, rang: bool, outcome: str
) -> None:
    call = in_doubt(ours, stage=Stage.DIALING, ringing_at=now if rang else None)
    data = {"reason": "user_unavailable"}
    call.events.create(workspace=ours, type="callee_left", at=now, data=data)

    assert conclude(call, now, []).outcome == outcome


def test_ringing_call_waits_while_its_answer_may_still_be_reported(
    ours: Workspace, now: datetime
) -> None:
    call = in_doubt(ours, stage=Stage.RINGING, intent_at=just_now(), heard_at=just_now())
    webhook(call, "participant_left", disconnectReason="CONNECTION_TIMEOUT")

    assert conclude(call, now, []).stage == Stage.RINGING


def test_reason_that_only_unanswered_calls_have_needs_no_wait(
    ours: Workspace, now: datetime
) -> None:
    call = in_doubt(ours, stage=Stage.RINGING, ringing_at=now, heard_at=now)
    webhook(call, "participant_left", disconnectReason="USER_UNAVAILABLE")

    assert conclude(call, now, []).outcome == "no_answer"


def test_ringing_call_is_not_ended_unseen(ours: Workspace, now: datetime) -> None:
    """LiveKit cannot be asked, and no source reports that the callee left."""
    assert conclude(in_doubt(ours, stage=Stage.RINGING), now, None).stage == Stage.RINGING


# --- latest ends


@pytest.mark.parametrize(
    ("status", "seconds", "outcome"),
    [
        ("dialing", 59, None),
        ("dialing", 61, "unknown"),
        ("ringing", 59, None),
        ("ringing", 61, "unknown"),
    ],
)
async def test_call_that_rings_in_livekits_store_for_ever_ends_by_our_clock(
    ours: Workspace,
    livekit: Any,
    inline_db: Any,
    status: str,
    seconds: int,
    outcome: str | None,
) -> None:
    """The ringing timeout is 30 s, the margin another 30. A crashed host leaves its participants
    in the store.
    """
    now = database_now()
    call = in_doubt(ours, stage=Stage.DIALING, intent_at=now - timedelta(seconds=seconds))
    livekit.participants[call.room] = [callee_of(call, status)]

    present = await reconciliation.gather_evidence(livekit, inline_db, call, now)
    ended = conclude(call, now, present)

    assert (ended.outcome, livekit.deleted) == (outcome, [call.room] if outcome else [])
    assert ended.counts is (outcome is None)


def test_call_whose_leg_is_active_at_its_latest_end_was_answered(
    ours: Workspace, now: datetime
) -> None:
    call = in_doubt(ours, stage=Stage.RINGING)

    assert conclude(call, now, [callee(call, "active")]).stage == Stage.IN_PROGRESS


@pytest.mark.parametrize("stage", [Stage.UNKNOWN, Stage.DIALING, Stage.RINGING])
def test_call_ends_in_review_when_livekit_is_away_for_long(ours: Workspace, stage: Stage) -> None:
    now = database_now()
    call = in_doubt(ours, stage=stage, intent_at=now - timedelta(minutes=7))

    ended = conclude(call, now, None)

    assert (ended.stage, ended.outcome) == (Stage.ENDED, "unknown")
    assert [event.text for event in ended.events.filter(type="alarm")] == [
        "The call reached its latest end, and LiveKit could not be asked to end it"
    ]
