"""What becomes of attempts whose sender died or whose answer was lost: the protocol's last step.

Nothing here ever dials. An attempt in doubt ends in one of three ways: with evidence that it was
placed, with proof that nothing left, or with neither. Then the outcome is `unknown` and the
recipient goes to review, where an operator decides.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from telephony.clients.livekit.rooms import Participant, delete_room, list_participants
from telephony.clients.livekit.session import LiveKit
from telephony.dialing.protocol import AGENT_REPORT_TOLERANCE, EVIDENCE_WAIT, ROOM_DELETION_WAIT
from telephony.domain import call_states
from telephony.domain.call_transitions import LEAVE_IN_DOUBT
from telephony.domain.dial_verdicts import (
    ABANDONED,
    CARRIER,
    DECLINED,
    IN_DOUBT,
    NO_ANSWER,
    NOT_PLACED,
    Verdict,
)
from telephony.models import Call, CallEvent, Direction, InboxEvent, Stage
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError

logger = logging.getLogger(__name__)

RECONCILE_CHUNK_ROWS = 200

# Why a participant left, in LiveKit's words. They are coarse: USER_REJECTED covers a busy line and
# a refused trunk too, and is read as the one that is never redialled.
LEFT_UNANSWERED: dict[str, Verdict] = {
    "USER_REJECTED": DECLINED,
    "USER_UNAVAILABLE": NO_ANSWER,
    "CLIENT_INITIATED": NO_ANSWER,
    "ROOM_DELETED": NO_ANSWER,
    "SIP_TRUNK_FAILURE": CARRIER,
    "UNKNOWN_REASON": CARRIER,
    "": CARRIER,
}
# These reasons are given only for callees who never answered; any other may also end an answered
# call.
CERTAINLY_UNANSWERED = ("USER_REJECTED", "USER_UNAVAILABLE", "SIP_TRUNK_FAILURE")


def close_abandoned() -> int:
    """Close reserved calls whose dispatcher died: nothing was sent, so no attempt is counted.

    Calls that were ordered one by one are offered to the next dispatcher instead. Returns how many.
    """
    now = database_now()
    expired = Call.unscoped.filter(stage=Stage.RESERVED, lease_expires_at__lt=now)
    abandoned = expired.exclude(lease_owner=None).order_by("pk")
    closed = 0
    for call in abandoned[:RECONCILE_CHUNK_ROWS]:
        if call.batch_id is None:
            unchanged = Call.unscoped.filter(
                pk=call.pk, stage=Stage.RESERVED, lease_owner=call.lease_owner
            )
            closed += unchanged.update(lease_owner=None, lease_expires_at=None)
        else:
            closed += call_states.mark_failed(
                call, verdict=ABANDONED, at=now, since=(Stage.RESERVED,)
            )
    return closed


def leave_unattended_in_doubt() -> int:
    """Put intents in doubt whose answer no dispatcher waits for any more. Returns how many."""
    with transaction.atomic():
        return LEAVE_IN_DOUBT.move_all(
            Call.unscoped.filter(_is_unattended(database_now())), lease_expires_at=None
        )


def calls_in_doubt(now: datetime) -> list[Call]:
    """Return calls that were or may have been sent, were not answered, and whose sender is gone."""
    stages = (Stage.UNKNOWN, Stage.DIALING, Stage.RINGING)
    doubtful = Call.unscoped.filter(
        _is_unattended(now), stage__in=stages, direction=Direction.OUTBOUND
    )
    return list(doubtful.order_by("pk")[:RECONCILE_CHUNK_ROWS])


def _is_unattended(now: datetime) -> Q:
    return Q(lease_expires_at=None) | Q(lease_expires_at__lt=now)


# --- evidence


async def gather_evidence(livekit: LiveKit, call: Call, now: datetime) -> list[Participant] | None:
    """Return who is in the call's room; None when LiveKit cannot be asked.

    Deletes the room once the fence has closed over a call without a trace of the callee, and notes
    that in `call.room_deleted_at`: what was under way then can no longer ring.
    """
    try:
        present = await list_participants(livekit, call.room)
        callee_is_absent = find_callee(call, present) is None and call.callee_joined_at is None
        if callee_is_absent and is_past_fence(call, now) and call.room_deleted_at is None:
            await delete_room(livekit, call.room)
            call.room_deleted_at = now
    except ProviderError as error:
        logger.warning("Call %s stays in doubt until LiveKit answers: %s", call.pk, error)
        return None
    return present


def find_callee(call: Call, participants: list[Participant] | None) -> Participant | None:
    """Return the participant with the identity that the call gave to its callee."""
    return next((p for p in participants or [] if p.identity == call.callee_identity), None)


def is_past_fence(call: Call, now: datetime) -> bool:
    """Return whether a request sent for this intent can no longer reach the callee."""
    return call.intent_at is not None and now >= _fence_of(call.intent_at)


def _fence_of(intent_at: datetime) -> datetime:
    return intent_at + timedelta(seconds=settings.DIAL_FENCE_SECONDS)


def inbox_has_callee(call: Call) -> bool:
    """Return whether any webhook reports the callee in the room."""
    events = InboxEvent.objects.about_room(
        call.room, "participant_joined", "participant_left", "track_published"
    )
    return any(
        event.body.get("participant", {}).get("identity") == call.callee_identity
        for event in events
    )


def departure_reason(call: Call) -> str | None:
    """Return why the callee left, by the inbox or the agent; None when neither reports it."""
    left = InboxEvent.objects.about_room(
        call.room, "participant_left", "participant_connection_aborted"
    )
    for event in left:
        participant = event.body.get("participant", {})
        if participant.get("identity") == call.callee_identity:
            return str(participant.get("disconnectReason", ""))
    reported = CallEvent.unscoped.filter(call=call, type="callee_left").order_by("at").first()
    return str(reported.data.get("reason", "")).upper() if reported else None


def agent_witnessed_absence(call: Call) -> bool:
    """Return whether the agent proves that nothing left.

    It was in the room from before the intent until the fence had closed, and no callee ever joined.
    """
    if call.intent_at is None or call.agent_joined_at is None or call.agent_seen_at is None:
        return False
    return (
        call.agent_joined_at <= call.intent_at
        and call.agent_seen_at >= _fence_of(call.intent_at) - AGENT_REPORT_TOLERANCE
        and call.callee_joined_at is None
    )


# --- conclusions


def conclude_doubt(call: Call, now: datetime, participants: list[Participant] | None) -> None:
    """Decide what the evidence allows about one call; None as participants: LiveKit is away."""
    callee = find_callee(call, participants)
    if callee is not None:
        follow_callee(call, callee, now)
        return
    if call.callee_joined_at is None and inbox_has_callee(call):
        call_states.mark_callee_joined(call, at=now, source="inbox")

    # The callee joins the room before their phone rings, so a callee who joined was called.
    was_placed = call.callee_joined_at is not None or call.stage != Stage.UNKNOWN
    if was_placed:
        end_unanswered(call, now, room_is_empty=participants is not None)
    elif participants is not None and _is_quiet_after_deletion(call, now):
        verdict = NOT_PLACED if agent_witnessed_absence(call) else IN_DOUBT
        call_states.mark_failed(
            call, verdict=verdict, at=now, since=(Stage.UNKNOWN,), source="reconcile"
        )


def _is_quiet_after_deletion(call: Call, now: datetime) -> bool:
    return call.room_deleted_at is not None and now - call.room_deleted_at >= ROOM_DELETION_WAIT


def follow_callee(call: Call, callee: Participant, now: datetime) -> None:
    """Move a call whose callee is in the room as far as the leg's own attribute shows."""
    call_states.mark_callee_joined(call, at=now, source="poll")
    if callee.call_status == "active":
        call_states.mark_answered(call, at=now, source="poll")
    elif callee.call_status == "ringing":
        call_states.mark_ringing(call, at=now, source="poll")


def end_unanswered(call: Call, now: datetime, *, room_is_empty: bool) -> None:
    """End a call that was placed, never answered, and whose leg is gone, for the best reason known.

    Waits while a report of an answer may still be on its way.
    """
    reason = departure_reason(call)
    if reason is None and not room_is_empty:
        return
    silent_since = call.heard_at or call.intent_at
    may_be_reported = silent_since is not None and now - silent_since < EVIDENCE_WAIT
    if may_be_reported and reason not in CERTAINLY_UNANSWERED:
        return
    verdict = LEFT_UNANSWERED.get("USER_UNAVAILABLE" if reason is None else reason, NO_ANSWER)
    call_states.mark_failed(call, verdict=verdict, at=now, source="reconcile")
