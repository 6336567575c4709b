"""How the ends of calls are told."""

from typing import Any

from telephony.domain.dial_verdicts import Verdict
from telephony.models import Call, Direction

HUNG_UP = {
    "callee": "The callee hung up",
    "agent": "The agent hung up",
    "operator": "An operator hung up",
}


def describe_end(call: Call, by: str | None, reason: str | None) -> str:
    """How an answered call ended."""
    if by == "callee" and call.direction == Direction.INBOUND:
        return "The caller hung up"
    if reason == "max_duration":
        return "The call reached its maximum duration"
    return HUNG_UP.get(by or "", "The call ended")


def describe_event(verdict: Verdict, told: dict[str, Any]) -> str:
    """`The callee's line was busy (486 Busy Here)`, `… (603 Decline, X-Twilio-Error 32203)`."""
    status = f"{told.get('sip_status_code') or ''} {told.get('sip_status') or ''}".strip()
    code = told.get("provider_code") or ""
    said = ", ".join(
        words for words in (status, "" if code in status else f"X-Twilio-Error {code}") if words
    )
    return f"{verdict.words} ({said})" if said else verdict.words
