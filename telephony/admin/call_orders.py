"""What staff see of a call while it is up and after it, and what they may order of it."""

from collections.abc import Mapping
from typing import Any

from django.db.models.functions import TruncSecond
from django.http import HttpRequest

from accounts.auth.principal import Principal
from accounts.staff.panels import Order, validate_order
from telephony.admin.call_filters import ORIGIN_PAGES
from telephony.models import Call, CallEvent, Stage, Turn
from telephony.serializers.calls import DtmfSerializer, TransferSerializer
from telephony.services import call_control

MAX_LISTED_TURNS = 500
MAX_EVENTS_OF_CALL = 300
TOOL_CALL = "tool_call"


def order_hang_up(request: HttpRequest, call: Call, principal: Principal) -> str:
    """End the call. Raises StateForbids and ProviderError."""
    call_control.hang_up(call=call, principal=principal)
    return "The call is ended."


def order_transfer(request: HttpRequest, call: Call, principal: Principal) -> str:
    """Transfer the callee to another number. Raises Invalid, StateForbids and ProviderError."""
    to = validate_order(TransferSerializer, {"to": request.POST.get("to", "").strip()})["to"]
    call_control.transfer_call(call=call, to=to, principal=principal)
    return f"The callee is transferred to {to}."


def order_keys(request: HttpRequest, call: Call, principal: Principal) -> str:
    """Have the agent press keys. Raises Invalid, StateForbids and ProviderError."""
    body = {"digits": request.POST.get("digits", "").strip()}
    digits = validate_order(DtmfSerializer, body)["digits"]
    call_control.press_keys(call=call, digits=digits, principal=principal)
    return f"Pressed {digits}."


CALL_ORDERS: Mapping[str, Order] = {
    "hangup": order_hang_up,
    "transfer": order_transfer,
    "keys": order_keys,
}


def call_panel(call: Call) -> dict[str, Any]:
    """Return what the panel of a call shows."""
    # LiveKit reports whole seconds: within one, the order in which we heard of them is the true.
    events = list(call.events.order_by(TruncSecond("at"), "pk")[:MAX_EVENTS_OF_CALL])
    turns = list(call.turns.order_by("started_at", "pk")[:MAX_LISTED_TURNS])
    return {
        "call": call,
        "is_live": call.stage != Stage.ENDED,
        "is_talking": call.stage == Stage.IN_PROGRESS and not call.is_web,
        "talk": _spoken_and_done(turns, events),
        "events": events,
        "start": call.answered_at or call.dialed_at or call.created_at,
        "batch": _batch_of(call),
    }


def _spoken_and_done(turns: list[Turn], events: list[CallEvent]) -> list[dict[str, Any]]:
    """Return the transcript with the agent's use of tools where it happened."""
    spoken = [{"at": turn.started_at, "turn": turn} for turn in turns]
    done = [{"at": event.at, "tool": event} for event in events if event.type == TOOL_CALL]
    return sorted([*spoken, *done], key=lambda entry: entry["at"])


def _batch_of(call: Call) -> Any:
    if call.batch_id is None:
        return None
    return ORIGIN_PAGES.get().batch_rows().filter(pk=call.batch_id).first()
