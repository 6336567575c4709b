"""Why a leg left, as LiveKit (`CLIENT_INITIATED`) and the agent (`callee_hangup`) name it.

LiveKit's names are coarse: a hang-up, a transfer and the maximum duration are all CLIENT_INITIATED
(`docs/reference/protocols.md §2.3`), so LiveKit never names who hung up. The agent does.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ending:
    """A departure in the call's own terms."""

    reason: str  # the call's end_reason
    by: str | None = None
    answered: bool = False  # whether only an answered call can end so


KNOWN_ENDINGS = {
    "callee_hangup": Ending("callee_hangup", by="callee", answered=True),
    "agent_hangup": Ending("agent_hangup", by="agent", answered=True),
    "max_duration": Ending("max_duration", by="agent", answered=True),
    "silence": Ending("silence", by="agent", answered=True),
    "voicemail": Ending("voicemail", by="agent", answered=True),
    "screened": Ending("screened", by="agent", answered=True),
    "transferred": Ending("transferred", by="agent", answered=True),
    "agent_stopped": Ending("agent_stopped", by="agent", answered=True),
    # LiveKit says this of a hang-up, a transfer and the maximum duration alike, so it names nobody.
    "client_initiated": Ending("hung_up"),
    # LiveKit leaves the reason out when trunk or network failed, at least in its older SIP
    # services.
    "": Ending("connection_lost"),
}

# Ends that read alike whether the callee hung up or LiveKit enforced the maximum duration.
HANG_UP_REASONS = ("hung_up", "callee_hangup")


def ending_for(disconnect_reason: str) -> Ending:
    """Return the ending that this name stands for; unknown names become the reason themselves."""
    name = disconnect_reason.lower()
    return KNOWN_ENDINGS.get(name) or Ending(name[:64])
