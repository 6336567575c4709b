"""The responses to dial requests, written to their calls in chunks."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DataError, IntegrityError, transaction

from telephony.clients.livekit.dial import Answered, DialResult, Lost, NeverSent
from telephony.dialing.jobs import Job
from telephony.domain import call_states
from telephony.domain.call_transitions import LEAVE_IN_DOUBT
from telephony.domain.dial_verdicts import (
    CARRIER_SILENT,
    IN_DOUBT,
    RING_TIMEOUT,
    UNREACHABLE,
    Blame,
    DialRefusal,
    Verdict,
    classify,
    provider_code,
)
from telephony.domain.timeline import align_dialing_event
from telephony.models import Call, InboxEvent, Stage

logger = logging.getLogger(__name__)

# What a response raises that no code expects. A database that is away or locked is not among them:
# then the whole chunk is written again.
UNWRITABLE_ERRORS = (
    DataError,
    IntegrityError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)


@dataclass(frozen=True)
class DialResponse:
    """How a dial ended. Times by the database's clock."""

    job: Job
    sent_at: datetime
    received_at: datetime
    result: DialResult


def record_responses(responses: Sequence[DialResponse]) -> list[Call]:
    """Write a chunk of responses in one transaction. Returns the calls that were answered.

    When that fails unexpectedly they are written one by one, and one that cannot be is left in
    doubt: it must not end the dispatcher, in which hundreds of others are ringing.
    """
    try:
        return _record_chunk(responses)
    except UNWRITABLE_ERRORS:
        return [call for response in responses for call in _record_alone(response)]


def _record_alone(response: DialResponse) -> list[Call]:
    try:
        return _record_chunk([response])
    except UNWRITABLE_ERRORS:
        logger.exception("The response to call %s cannot be written", response.job.call.pk)
        _leave_in_doubt(response.job.call, response.result)
        return []


def _record_chunk(responses: Sequence[DialResponse]) -> list[Call]:
    with transaction.atomic():
        # Read again: webhooks and the agent have moved the calls since the dial was sent.
        fresh = Call.unscoped.in_bulk([response.job.call.pk for response in responses])
        for response in responses:
            if call := fresh.get(response.job.call.pk):
                record_response(call, response)
    return [call for call in fresh.values() if call.stage == Stage.IN_PROGRESS]


def record_response(call: Call, response: DialResponse) -> None:
    """Move the call as its dial ended: answered, failed, or in doubt."""
    reported_at = call.dialed_at
    # The agent may have reported the callee's arrival already, which was a moment after the send,
    # and by a clock of its own.
    known = (response.sent_at, call.ringing_at, call.answered_at)
    call.dialed_at = min(moment for moment in known if moment is not None)
    _move(call, response)
    if reported_at is not None and reported_at != call.dialed_at:
        align_dialing_event(call)


def _move(call: Call, response: DialResponse) -> None:
    result = response.result
    if isinstance(result, Answered):
        call_states.mark_answered(
            call, at=response.received_at, source="dial", sip_call_id=result.sip_call_id
        )
        return

    verdict = verdict_on_failure(result, call, response.received_at)
    if verdict.blame is Blame.DOUBT:
        _leave_in_doubt(call, result)
        return
    call_states.mark_failed(
        call, verdict=verdict, at=response.received_at, source="dial", **_sip_details(result)
    )


def verdict_on_failure(
    result: DialRefusal | NeverSent | Lost, call: Call, received_at: datetime
) -> Verdict:
    """Return the verdict on a dial that was not answered."""
    if isinstance(result, NeverSent):
        return UNREACHABLE
    if isinstance(result, Lost):
        return IN_DOUBT
    expired = call.not_after is not None and received_at >= call.not_after
    verdict = classify(result, token_expired=expired)
    # LiveKit answers alike whether the phone rang out or the carrier said nothing at all.
    return CARRIER_SILENT if verdict is RING_TIMEOUT and not has_rung(call) else verdict


def has_rung(call: Call) -> bool:
    """Return whether anything shows that the phone rang: the agent, a poll, or LiveKit's webhooks.

    The callee's leg carries it as an attribute, of which no webhook of its own is sent.
    """
    if call.ringing_at is not None or call.answered_at is not None:
        return True
    events = InboxEvent.objects.about_room(
        call.room, "participant_left", "participant_connection_aborted", "track_published"
    )
    participants = (event.body.get("participant") or {} for event in events)
    statuses = {
        (participant.get("attributes") or {}).get("sip.callStatus")
        for participant in participants
        if participant.get("identity") == call.callee_identity
    }
    return not statuses.isdisjoint({"ringing", "active", "hangup"})


def _leave_in_doubt(call: Call, result: DialResult) -> None:
    """Leave the call to reconciliation, which asks LiveKit once no lease holds it any more."""
    logger.warning("The answer to the dial of call %s leaves it in doubt: %s", call.pk, result)
    LEAVE_IN_DOUBT.move(call, lease_expires_at=None)
    # A call that was reported as ringing keeps its stage, but no dispatcher awaits its answer.
    Call.unscoped.filter(pk=call.pk, stage__in=Stage.before_answer()).update(lease_expires_at=None)


def _sip_details(result: DialRefusal | NeverSent | Lost) -> dict[str, Any]:
    """Return the columns of the call that hold what the carrier answered."""
    if not isinstance(result, DialRefusal):
        return {}
    details: dict[str, Any] = {"provider_code": provider_code(result)}
    if result.sip_code is not None:
        details["sip_status_code"] = result.sip_code
        details["sip_status"] = result.sip_phrase[:255]
    return details
