"""What an agent reports about a callback; whoever owns the queue plans it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from telephony.models import Call
from voiceops.core.errors import DomainError
from voiceops.core.extension_points import ExtensionPoint


@dataclass(frozen=True)
class CallbackRequest:
    """A callback as the agent reports it; `at` is ISO 8601, by the callee's clock."""

    at: str
    phone_number: str = ""
    remark: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "CallbackRequest":
        """Return the request of a report, a tool's arguments or an analysis."""
        at = fields.get("at") or fields.get("callback_at") or ""
        number, remark = fields.get("phone_number") or "", fields.get("note") or ""
        return cls(str(at), str(number), str(remark))


CallbackPlanner: TypeAlias = Callable[[Call, CallbackRequest], None]
CALLBACK_PLANNERS: ExtensionPoint[CallbackPlanner] = ExtensionPoint("planners of callbacks")


def request_callback(call: Call, fields: Mapping[str, Any]) -> str:
    """Have the reported callback planned; returns what became of it, for the timeline."""
    request = CallbackRequest.of(fields)
    try:
        for plan in CALLBACK_PLANNERS.all():
            plan(call, request)
    except DomainError as refusal:
        return f"A callback at {request.at} was not planned: {refusal}"[:255]
    return f"A callback at {request.at} was planned"
