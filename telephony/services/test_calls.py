"""Test calls: a real call through a number's trunk, to learn what the carrier answers.

A test call is a call as every other: queued here, dialled by a dispatcher within all limits, and
found at `/calls/{id}`. It has no agent, and the dialer hangs up as soon as it is answered.
"""

from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from telephony.dialing.pacing import choose_slot
from telephony.dialing.protocol import TEST_MAX_SLOT_WAIT
from telephony.domain import timeline
from telephony.domain.room_names import TEST_ROOM_PREFIX
from telephony.models import Call, NumberPace, PhoneNumber, SipTrunk
from telephony.services.calls import require_callable, require_daily_quota
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.errors import StateForbids
from voiceops.core.ids import uuid7
from voiceops.core.pii import mask_number


def place_test_call(*, number: PhoneNumber, to: str, principal: Principal | None = None) -> Call:
    """Queue a test call to `to` (E.164) and return it; it rings for at most 20 seconds.

    Raises StateForbids when the number is not active or has no place for a call now, or the
    workspace has used up its calls of the day, and Invalid when `to` must not be called.
    """
    has_trunk = number.trunks.filter(direction=SipTrunk.TrunkDirection.OUTBOUND).exists()
    if number.status != PhoneNumber.Status.ACTIVE or not has_trunk:
        raise StateForbids("Phone number is not active")
    require_callable(number.workspace, to)

    call = _build_call(number, to)
    with transaction.atomic():
        # Under the locks, so that of many simultaneous requests only as many pass as there are
        # places; the dispatcher counts again when it reserves the call.
        _require_free_place(number)
        require_daily_quota(number.workspace)
        call.save(force_insert=True)
        text = f"A test call to {to} was ordered"
        timeline.add_event(call, type="queued", text=text, at=call.created_at)
        details = {"to": mask_number(to), "call_id": str(call.pk)}
        audit.record("phone_number.tested", principal=principal, target=number, changes=details)
        task_queue.enqueue_on_commit(task_queue.RUN_DISPATCHER)
    return call


def _require_free_place(number: PhoneNumber) -> None:
    """Raises StateForbids when the number has no place for another call, or rests too long."""
    paces = NumberPace.unscoped.select_for_update(of=("self",)).select_related("number")
    pace = paces.get(number=number)
    now = database_now()
    is_full = number.calls.open().count() >= number.max_concurrent_calls
    if is_full or choose_slot(pace, now=now) > now + TEST_MAX_SLOT_WAIT:
        raise StateForbids("Phone number is busy")


def _build_call(number: PhoneNumber, to: str) -> Call:
    pk = uuid7()
    return Call(
        pk=pk,
        workspace_id=number.workspace_id,
        number=number,
        from_number=number.phone_number,
        to_number=to,
        room=f"{TEST_ROOM_PREFIX}{pk}",
    )
