"""Test calls: a real call through a number's trunk, to learn what the carrier answers.

A test call has no agent and no `Call`, and is hung up as soon as it is answered. It reserves a time
slot like every other call, so that the number's calls per second hold.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings
from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from telephony.clients.livekit.dial import Answered, DialRequest, DialResult, Lost, NeverSent, dial
from telephony.clients.livekit.errors import plain_message
from telephony.clients.livekit.rooms import create_room_without_agent, delete_room
from telephony.clients.livekit.session import LiveKit, run_in_session
from telephony.dialing.pacing import choose_slot, occupy_slot
from telephony.domain.descriptions import describe_failure
from telephony.domain.dial_verdicts import IN_DOUBT, classify, provider_code
from telephony.domain.dialled_form import dialled_form
from telephony.models import NumberPace, Outcome, PhoneNumber, SipTrunk
from telephony.services.calls import require_callable
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError, StateForbids

TEST_RINGING_SECONDS = 20
TEST_CALL_MAX_SECONDS = 30  # LiveKit ends the call then, in case our hang-up does not arrive
MAX_SLOT_WAIT = timedelta(seconds=5)


@dataclass(frozen=True)
class TestCallResult:
    """What the carrier answered. The SIP status is None when no answer arrived."""

    outcome: str
    sip_status_code: int | None
    sip_status: str | None
    text: str


def place_test_call(
    *, number: PhoneNumber, to: str, principal: Principal | None = None
) -> TestCallResult:
    """Call `to` (E.164) for at most 20 seconds and hang up as soon as it is answered.

    Returns what the carrier answered. Raises StateForbids when the number is not active or busy,
    Invalid when `to` must not be called, and ProviderError when LiveKit could not be asked.
    """
    trunk = number.trunks.filter(direction=SipTrunk.TrunkDirection.OUTBOUND).first()
    if number.status != PhoneNumber.Status.ACTIVE or trunk is None:
        raise StateForbids("Phone number is not active")
    require_callable(number.workspace, to)

    slot, now = _reserve_slot(number)
    # The slot may be up to MAX_SLOT_WAIT away; the request's thread waits for it.
    time.sleep(max(0.0, (slot - now).total_seconds()))
    request = _build_request(number, trunk, to, slot)
    result = _result_of(run_in_session(lambda livekit: _dial_and_hang_up(livekit, request)))

    details = {"to": to, "outcome": result.outcome}
    audit.record("phone_number.tested", principal=principal, target=number, changes=details)
    return result


def _reserve_slot(number: PhoneNumber) -> tuple[datetime, datetime]:
    """Reserve a time slot; returns when the call may be sent, and the database's time now.

    Raises StateForbids when the number has no free capacity or its next slot is too far away.
    """
    with transaction.atomic():
        paces = NumberPace.unscoped.select_for_update(of=("self",)).select_related("number")
        pace = paces.get(number=number)
        now = database_now()
        slot = choose_slot(pace, now=now)
        is_full = number.calls.open().count() >= number.max_concurrent_calls
        if is_full or slot > now + MAX_SLOT_WAIT:
            raise StateForbids("Phone number is busy")
        occupy_slot(pace, slot)
        pace.save(update_fields=["next_slot_at"])
    return slot, now


def _build_request(number: PhoneNumber, trunk: SipTrunk, to: str, slot: datetime) -> DialRequest:
    unique = uuid4()
    return DialRequest(
        room=f"trial-{unique}",
        identity=f"callee-{unique}",
        trunk_id=trunk.livekit_trunk_id,
        from_number=number.phone_number,
        to_number=dialled_form(number, to),
        ringing_timeout=TEST_RINGING_SECONDS,
        max_call_duration=TEST_CALL_MAX_SECONDS,
        expires_at=slot + timedelta(seconds=settings.DIAL_TOKEN_SECONDS),
    )


async def _dial_and_hang_up(livekit: LiveKit, request: DialRequest) -> DialResult:
    await create_room_without_agent(
        livekit, request.room, empty_timeout=TEST_RINGING_SECONDS + TEST_CALL_MAX_SECONDS
    )
    answer = await dial(livekit, request)
    # When the room cannot be deleted, the call ends by its maximum duration.
    with suppress(ProviderError):
        await delete_room(livekit, request.room)
    return answer


def _result_of(answer: DialResult) -> TestCallResult:
    if isinstance(answer, Answered):
        return TestCallResult(Outcome.ANSWERED, 200, "OK", "The callee answered (200 OK)")
    if isinstance(answer, NeverSent):
        raise ProviderError(f"LiveKit SIP error: {answer.reason}")
    if isinstance(answer, Lost):
        return TestCallResult(IN_DOUBT.outcome, None, None, IN_DOUBT.description)

    verdict = classify(answer)
    phrase = answer.sip_phrase or None
    details = {
        "sip_status_code": answer.sip_code,
        "sip_status": phrase if answer.sip_code else plain_message(answer.message),
        "provider_code": provider_code(answer),
    }
    text = describe_failure(verdict, details)
    return TestCallResult(verdict.outcome, answer.sip_code, phrase, text)
