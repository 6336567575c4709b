"""What to make of attempts whose sender died or whose answer was lost. The last step of the dial
protocol.

Nothing here ever dials. An attempt in doubt ends in one of three ways: evidence says it was placed,
proof says that nothing left, or neither, and then a person decides (outcome `unknown`, the
recipient goes to review).
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from telephony.clients.livekit.rooms import Participant, delete_room, list_participants
from telephony.clients.livekit.session import LiveKit
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
from telephony.models import Call, CallEvent, InboxEvent, Stage
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError

logger = logging.getLogger(__name__)

CHUNK = 200
SETTLING = timedelta(
    seconds=2
)  # between DeleteRoom and the last look: what is under way may still report
BEAT = timedelta(
    seconds=5
)  # the agent reports every two seconds; so much silence is not yet absence
EVIDENCE_EVENTS = timedelta(
    seconds=30
)  # so long LiveKit repeats a webhook and an agent its report: an answer may still be told

# Why a participant left, as LiveKit names it: coarse, so a rejected call is taken for the one that
# is never redialled.
LEFT_UNANSWERED: dict[str, Verdict] = {
    "USER_REJECTED": DECLINED,
    "USER_UNAVAILABLE": NO_ANSWER,
    "CLIENT_INITIATED": NO_ANSWER,
    "ROOM_DELETED": NO_ANSWER,
    "SIP_TRUNK_FAILURE": CARRIER,
    "UNKNOWN_REASON": CARRIER,
    "": CARRIER,
}
# What is only said of callees who never answered. Anything else may also be the end of an answered
# call.
CERTAIN = ("USER_REJECTED", "USER_UNAVAILABLE", "SIP_TRUNK_FAILURE")


def close_abandoned() -> int:
    """Reserved calls whose shift died: nothing was sent, the person goes back to the queue free of
    charge.
    """
    now = database_now()
    lost = Call.unscoped.filter(stage=Stage.RESERVED, lease_expires_at__lt=now).exclude(
        lease_owner=None
    )
    closed = 0
    for call in lost.order_by("pk")[:CHUNK]:
        if call.batch_id is None:  # somebody asked for this very call: offer it to the next shift
            mine = Call.unscoped.filter(
                pk=call.pk, stage=Stage.RESERVED, lease_owner=call.lease_owner
            )
            closed += mine.update(lease_owner=None, lease_expires_at=None)
        else:
            closed += call_states.mark_failed(
                call, verdict=ABANDONED, at=now, since=(Stage.RESERVED,)
            )
    return closed


def mark_unattended() -> int:
    """Intents that nobody listens for any more are in doubt."""
    with transaction.atomic():
        now = database_now()
        orphans = Call.unscoped.filter(Q(lease_expires_at=None) | Q(lease_expires_at__lt=now))
        return LEAVE_IN_DOUBT.move_all(orphans, lease_expires_at=None)


def in_doubt(now: datetime) -> list[Call]:
    """Calls that were or may have been sent, were not answered, and whose sender is gone."""
    unattended = Q(lease_expires_at=None) | Q(lease_expires_at__lt=now)
    stages = (Stage.UNKNOWN, Stage.DIALING, Stage.RINGING)
    return list(
        Call.unscoped.filter(unattended, stage__in=stages, direction="outbound").order_by("pk")[
            :CHUNK
        ]
    )


def departure(call: Call) -> str | None:
    """Why the callee left, by the inbox or the agent; None when nobody tells of a departure."""
    left = InboxEvent.objects.about_room(
        call.room, "participant_left", "participant_connection_aborted"
    )
    for event in left:
        participant = event.body.get("participant", {})
        if participant.get("identity") == call.callee_identity:
            return str(participant.get("disconnectReason", ""))
    told = CallEvent.unscoped.filter(call=call, type="callee_left").order_by("at").first()
    return str(told.data.get("reason", "")).upper() if told else None


def evidence_in_inbox(call: Call) -> bool:
    """Whether any webhook tells that the callee was in the room."""
    events = InboxEvent.objects.about_room(
        call.room, "participant_joined", "participant_left", "track_published"
    )
    return any(
        e.body.get("participant", {}).get("identity") == call.callee_identity for e in events
    )


def witnessed_absence(call: Call) -> bool:
    """The agent was in the room from before the intent until the fence had closed, and no callee
    ever joined.
    """
    if call.intent_at is None or call.agent_joined_at is None or call.agent_seen_at is None:
        return False
    fence = call.intent_at + timedelta(seconds=settings.DIAL_FENCE_SECONDS)
    return (
        call.agent_joined_at <= call.intent_at
        and call.agent_seen_at >= fence - BEAT
        and call.callee_joined_at is None
    )


def conclude(call: Call, now: datetime, participants: list[Participant] | None) -> None:
    """Decide what can be decided about one call in doubt; `participants` is None when LiveKit could
    not be asked.
    """
    callee = next((p for p in participants or [] if p.identity == call.callee_identity), None)
    if callee is not None:
        follow_present(call, callee, now)
        return
    if call.callee_joined_at is None and evidence_in_inbox(call):
        call_states.mark_callee_joined(call, at=now, source="inbox")
    if (
        call.callee_joined_at is not None or call.stage != Stage.UNKNOWN
    ):  # nobody's phone rings before they joined
        end_unanswered(call, now, gone=participants is not None)
    elif (
        participants is not None
        and call.room_deleted_at is not None
        and now - call.room_deleted_at >= SETTLING
    ):
        verdict = NOT_PLACED if witnessed_absence(call) else IN_DOUBT
        call_states.mark_failed(
            call, verdict=verdict, at=now, since=(Stage.UNKNOWN,), source="reconcile"
        )


def follow_present(call: Call, callee: Participant, now: datetime) -> None:
    """The callee's leg is up in the room: it was placed, and its attribute says how far it is."""
    call_states.mark_callee_joined(call, at=now, source="poll")
    if callee.call_status == "active":
        call_states.mark_answered(call, at=now, source="poll")
    elif callee.call_status == "ringing":
        call_states.mark_ringing(call, at=now, source="poll")


def end_unanswered(call: Call, now: datetime, *, gone: bool) -> None:
    """A call that was placed, never answered, and whose leg is gone: the best reason anybody gave."""
    reason = departure(call)
    if reason is None and not gone:
        return
    silent_since = call.heard_at or call.intent_at
    if reason not in CERTAIN and silent_since is not None and now - silent_since < EVIDENCE_EVENTS:
        return  # the news of an answer may be on the way
    verdict = LEFT_UNANSWERED.get("USER_UNAVAILABLE" if reason is None else reason, NO_ANSWER)
    call_states.mark_failed(call, verdict=verdict, at=now, source="reconcile")


def past_fence(call: Call, now: datetime) -> bool:
    return call.intent_at is not None and now >= call.intent_at + timedelta(
        seconds=settings.DIAL_FENCE_SECONDS
    )


async def ask(livekit: LiveKit, call: Call, now: datetime) -> list[Participant] | None:
    """Who is in the room, deleting it when the fence has closed over a call nobody has evidence of."""
    try:
        present = await list_participants(livekit, call.room)
        absent = not any(p.identity == call.callee_identity for p in present)
        if (
            absent
            and call.callee_joined_at is None
            and past_fence(call, now)
            and call.room_deleted_at is None
        ):
            await delete_room(livekit, call.room)
            call.room_deleted_at = now
    except ProviderError as error:
        logger.warning("Call %s stays in doubt until LiveKit answers: %s", call.pk, error)
        return None
    return present
