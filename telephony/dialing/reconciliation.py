"""What becomes of attempts whose sender died or whose answer was lost: the protocol's last step.

Nothing here ever dials. An attempt in doubt ends in one of three ways: with evidence of how it
ended, with proof that nothing left, or with neither. Then the outcome is `unknown` and the
recipient goes to review, where an operator decides. `telephony/domain/evidence.py` has what each
piece of evidence proves, `telephony/domain/latest_ends.py` how long it is waited for.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from telephony.clients.livekit.rooms import Participant, list_participants
from telephony.clients.livekit.session import LiveKit
from telephony.dialing.protocol import AGENT_REPORT_TOLERANCE, EVIDENCE_WAIT, ROOM_DELETION_WAIT
from telephony.dialing.room_deleter import delete_room_now
from telephony.domain import call_states
from telephony.domain.call_transitions import LEAVE_IN_DOUBT
from telephony.domain.dial_verdicts import ABANDONED, IN_DOUBT
from telephony.domain.disconnect_reasons import ending_for
from telephony.domain.evidence import Conclusion, Evidence, Leg, Meaning, read_leg, weigh
from telephony.domain.latest_ends import is_past_latest_end
from telephony.domain.timeline import raise_alarm
from telephony.models import Call, CallEvent, Direction, InboxEvent, Stage
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError
from voiceops.core.orm_thread import OrmThread

logger = logging.getLogger(__name__)

RECONCILE_CHUNK_ROWS = 200
JOINED_EVENT = "participant_joined"
LEFT_EVENTS = ("participant_left", "participant_connection_aborted")
CALLEE_EVENTS = (JOINED_EVENT, *LEFT_EVENTS, "track_published")
ROOM_LEFT_OPEN = "The call reached its latest end, and LiveKit could not be asked to end it"


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
    doubtful = doubtful.select_related("agent_version")
    return list(doubtful.order_by("pk")[:RECONCILE_CHUNK_ROWS])


def _is_unattended(now: datetime) -> Q:
    return Q(lease_expires_at=None) | Q(lease_expires_at__lt=now)


# --- evidence


@dataclass(frozen=True)
class Reports:
    """What the inbox, the agent and the room show of a call's callee."""

    evidence: Evidence
    left_at: datetime | None = None  # by LiveKit's webhook, if one came
    left_reason: str = ""

    @property
    def has_departed(self) -> bool:
        """Whether any source reports that the leg left."""
        return any(leg.reason is not None for leg in self.evidence.legs)


async def gather_evidence(
    livekit: LiveKit, db: OrmThread, call: Call, now: datetime
) -> list[Participant] | None:
    """Return who is in the call's room; None when LiveKit cannot be asked.

    Deletes the room of a call that has reached its latest end, and of a call without a trace of the
    callee once the fence has closed: what was under way then can no longer ring. The latter is
    written to `call.room_deleted_at`.
    """
    try:
        present = await list_participants(livekit, call.room)
        is_absent = find_callee(call, present) is None
        never_seen = is_absent and call.callee_joined_at is None
        if never_seen and is_past_fence(call, now) and call.room_deleted_at is None:
            await delete_room_now(livekit, db, call)
            call.room_deleted_at = now
        elif not is_absent and is_past_latest_end(call, now):
            await delete_room_now(livekit, db, call)
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


def gather_reports(call: Call, callee: Participant | None = None) -> Reports:
    """Return everything that is known of the callee's leg; `callee` is who is in the room now."""
    rang = call.ringing_at is not None
    events = callee_events(call)
    departures = _last_departures(events)
    legs = [
        _leg_of(event, rang=rang)
        for event in events
        if event.event not in LEFT_EVENTS or event in departures
    ]
    if callee is not None:
        legs.append(read_leg(callee.attributes, rang=rang))
    elif (
        reported := CallEvent.unscoped.filter(call=call, type="callee_left").order_by("at").first()
    ):
        legs.append(Leg(reason=str(reported.data.get("reason", "")).upper(), rang=rang))
    left = departures[-1] if departures else None
    return Reports(
        evidence=Evidence(
            legs=tuple(legs),
            was_answered=call.answered_at is not None,
            callee_seen=call.callee_joined_at is not None or call.stage != Stage.UNKNOWN,
            agent_witnessed_absence=agent_witnessed_absence(call),
        ),
        left_at=left.received_at if left else None,
        left_reason=str(_participant_of(left).get("disconnectReason", "")) if left else "",
    )


def callee_events(call: Call) -> list[InboxEvent]:
    """Return the webhooks that report the callee in the room or leaving it, oldest first."""
    events = InboxEvent.objects.about_room(call.room, *CALLEE_EVENTS)
    return [
        event for event in events if _participant_of(event).get("identity") == call.callee_identity
    ]


def _last_departures(events: list[InboxEvent]) -> list[InboxEvent]:
    """Return the departures after which the leg did not come back.

    A leg that rejoins a restarted server is the same leg: what was reported of its first departure
    is no end. One whose attributes show an answer counts all the same.
    """
    joined_at = max((_created_at(e) for e in events if e.event == JOINED_EVENT), default=0)
    left = [event for event in events if event.event in LEFT_EVENTS]
    return [
        event
        for event in left
        if _created_at(event) >= joined_at
        or weigh(Evidence(legs=(_leg_of(event, rang=False),))).meaning is Meaning.ANSWERED
    ]


def _leg_of(event: InboxEvent, *, rang: bool) -> Leg:
    participant = _participant_of(event)
    has_left = event.event in LEFT_EVENTS
    reason = str(participant.get("disconnectReason", "")) if has_left else None
    return read_leg(participant.get("attributes") or {}, reason=reason, rang=rang)


def _participant_of(event: InboxEvent) -> dict[str, Any]:
    participant = event.body.get("participant")
    return participant if isinstance(participant, dict) else {}


def _created_at(event: InboxEvent) -> int:
    """Return LiveKit's time of the event in whole seconds; 0 for an event without one."""
    created_at = str(event.body.get("createdAt", ""))
    return int(created_at) if created_at.isdigit() else 0


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
    reports = gather_reports(call, callee)
    if call.callee_joined_at is None and reports.evidence.legs:
        source = "inbox" if callee is None else "poll"
        call_states.mark_callee_joined(call, at=now, source=source)

    conclusion = weigh(reports.evidence)
    # The callee joins the room before their phone rings, so a callee who joined may have been
    # called.
    may_be_placed = call.callee_joined_at is not None or call.stage != Stage.UNKNOWN
    if conclusion.meaning is Meaning.ANSWERED:
        record_missed_answer(call, reports, now, is_up=callee is not None or participants is None)
    elif callee is not None:
        if callee.call_status == "ringing":
            call_states.mark_ringing(call, at=now, source="poll")
    elif may_be_placed:
        end_unanswered(call, reports, now, room_is_empty=participants is not None)
    elif participants is not None and _is_quiet_after_deletion(call, now):
        _end(call, conclusion, now, since=(Stage.UNKNOWN,))
    end_at_latest_end(call, now, livekit_is_away=participants is None)


def _is_quiet_after_deletion(call: Call, now: datetime) -> bool:
    return call.room_deleted_at is not None and now - call.room_deleted_at >= ROOM_DELETION_WAIT


def record_missed_answer(call: Call, reports: Reports, now: datetime, *, is_up: bool) -> None:
    """Record an answer whose report was lost; ends the call, too, when its leg is gone.

    When it was answered is not known; it was at the latest when the leg left.
    """
    at = now if is_up else reports.left_at or now
    call_states.mark_answered(call, at=at, source="poll" if is_up else "reconcile")
    if not is_up:
        reason = ending_for(reports.left_reason).reason
        call_states.mark_hung_up(call, at=at, reason=reason, source="reconcile")


def end_unanswered(call: Call, reports: Reports, now: datetime, *, room_is_empty: bool) -> None:
    """End a call whose leg is gone and that nobody is known to have answered.

    Waits while a report of the answer, or of the reason, may still be on its way.
    """
    if not reports.has_departed and not room_is_empty:
        return
    conclusion = weigh(reports.evidence)
    silent_since = call.heard_at or call.intent_at
    may_be_reported = silent_since is not None and now - silent_since < EVIDENCE_WAIT
    if conclusion.meaning is Meaning.PROVES_NOTHING and may_be_reported:
        return
    _end(call, conclusion, now)


def end_at_latest_end(call: Call, now: datetime, *, livekit_is_away: bool) -> None:
    """Put a call in review that has reached its latest end by our clock without any proof."""
    if call.stage not in Stage.before_answer():
        return
    # Without a callee the room is deleted at the fence, and two seconds later there is a proof.
    if call.stage in Stage.before_callee() and not livekit_is_away:
        return
    if not is_past_latest_end(call, now, livekit_is_away=livekit_is_away):
        return
    if call_states.mark_failed(call, verdict=IN_DOUBT, at=now, source="clock") and livekit_is_away:
        raise_alarm(call, at=now, text=ROOM_LEFT_OPEN, source="clock")


def _end(
    call: Call, conclusion: Conclusion, now: datetime, since: tuple[Stage, ...] | None = None
) -> None:
    verdict = conclusion.verdict or IN_DOUBT
    call_states.mark_failed(call, verdict=verdict, at=now, since=since, source="reconcile")
