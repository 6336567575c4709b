"""A real call through a number's trunk, to hear what the carrier answers. No agent, no `Call`: it
is hung up at once.

It takes its time slot like every other call, so that calls per second hold.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings
from django.db import transaction

from telephony.clients.livekit.dial import Answered, DialRequest, DialResult, Lost, NeverSent, dial
from telephony.clients.livekit.errors import plain_message
from telephony.clients.livekit.rooms import create_room_without_agent, delete_room
from telephony.clients.livekit.session import LiveKit, run_in_session
from telephony.dialing.pacing import choose_slot, occupy_slot
from telephony.domain.descriptions import describe_failure
from telephony.domain.dial_verdicts import IN_DOUBT, classify, provider_code
from telephony.models import NumberPace, Outcome, PhoneNumber, SipTrunk
from telephony.services.calls import require_callable
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError, StateForbids

TEST_RINGING_SECONDS = 20  # seconds at most
TEST_CALL_MAX_SECONDS = 30  # seconds after which LiveKit ends it, should our hang-up not arrive
MAX_SLOT_WAIT = timedelta(seconds=5)  # how long to wait for a time slot


@dataclass(frozen=True)
class TestCallResult:
    """What the carrier answered; without a SIP status when none arrived."""

    outcome: str
    sip_status_code: int | None
    sip_status: str | None
    text: str


def place_test_call(*, number: PhoneNumber, to: str) -> TestCallResult:
    """Ring `to` for 20 seconds at most, hang up when somebody answers.

    Raises StateForbids when the number is not active or busy, Invalid when `to` must not be called,
    ProviderError when LiveKit could not be asked.
    """
    trunk = number.trunks.filter(direction=SipTrunk.TrunkDirection.OUTBOUND).first()
    if number.status != PhoneNumber.Status.ACTIVE or trunk is None:
        raise StateForbids("Phone number is not active")
    require_callable(number.workspace, to)
    slot, now = _reserve_slot(number)
    time.sleep(max(0.0, (slot - now).total_seconds()))
    name = uuid4()
    request = DialRequest(
        room=f"trial-{name}",
        identity=f"callee-{name}",
        trunk_id=trunk.livekit_trunk_id,
        from_number=number.phone_number,
        to_number=to,
        ringing_timeout=TEST_RINGING_SECONDS,
        max_call_duration=TEST_CALL_MAX_SECONDS,
        expires_at=slot + timedelta(seconds=settings.DIAL_TOKEN_SECONDS),
    )
    return _result_of(run_in_session(lambda livekit: _dial_and_hang_up(livekit, request)))


def _reserve_slot(number: PhoneNumber) -> tuple[datetime, datetime]:
    """When the call may leave, and what time it is. Raises StateForbids when that would take too
    long.
    """
    with transaction.atomic():
        paces = NumberPace.unscoped.select_for_update(of=("self",)).select_related("number")
        pace = paces.get(number=number)
        now = database_now()
        slot = choose_slot(pace, now=now)
        busy = number.calls.open().count() >= number.max_concurrent_calls
        if busy or slot > now + MAX_SLOT_WAIT:
            raise StateForbids("Phone number is busy")
        occupy_slot(pace, slot)
        pace.save(update_fields=["next_slot_at"])
    return slot, now


async def _dial_and_hang_up(livekit: LiveKit, request: DialRequest) -> DialResult:
    await create_room_without_agent(
        livekit, request.room, empty_timeout=TEST_RINGING_SECONDS + TEST_CALL_MAX_SECONDS
    )
    answer = await dial(livekit, request)
    with suppress(ProviderError):  # then it ends by its maximum duration
        await delete_room(livekit, request.room)
    return answer


def _result_of(answer: DialResult) -> TestCallResult:
    if isinstance(answer, Answered):
        return TestCallResult(Outcome.ANSWERED, 200, "OK", "The callee answered (200 OK)")
    if isinstance(answer, NeverSent):
        raise ProviderError(f"LiveKit SIP error: {answer.reason}")
    if isinstance(answer, Lost):
        return TestCallResult(IN_DOUBT.outcome, None, None, IN_DOUBT.words)
    verdict, phrase = classify(answer), answer.sip_phrase or None
    said = phrase if answer.sip_code else plain_message(answer.message)
    told = {
        "sip_status_code": answer.sip_code,
        "sip_status": said,
        "provider_code": provider_code(answer),
    }
    return TestCallResult(verdict.outcome, answer.sip_code, phrase, describe_failure(verdict, told))
