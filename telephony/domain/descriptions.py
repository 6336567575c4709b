"""The ends of calls in words, for timelines and test calls."""

from typing import Any

from telephony.domain.dial_verdicts import Verdict
from telephony.models import Call, Direction

WHO_HUNG_UP = {
    "callee": "The callee hung up",
    "agent": "The agent hung up",
    "operator": "An operator hung up",
}


def describe_end(call: Call, by: str | None, reason: str | None) -> str:
    """Return how an answered call ended."""
    if by == "callee" and call.direction == Direction.INBOUND:
        return "The caller hung up"
    if reason == "max_duration":
        return "The call reached its maximum duration"
    if reason == "agent_lost":
        return "The voice agent was lost, and the call was ended"
    return WHO_HUNG_UP.get(by or "", "The call ended")


def describe_failure(verdict: Verdict, sip_details: dict[str, Any]) -> str:
    """Return the verdict in words with what the carrier answered.

    For example `The callee's line was busy (486 Busy Here)` or
    `… (603 Decline, X-Twilio-Error 32203)`.
    """
    code = sip_details.get("sip_status_code") or ""
    status = f"{code} {sip_details.get('sip_status') or ''}".strip()
    provider_code = sip_details.get("provider_code") or ""
    parts = [status]
    if provider_code not in status:
        parts.append(f"X-Twilio-Error {provider_code}")
    carrier_words = ", ".join(part for part in parts if part)
    return f"{verdict.description} ({carrier_words})" if carrier_words else verdict.description
