"""Why a leg went away, as LiveKit (`CLIENT_INITIATED`) and the agent (`callee_hangup`) name it, in
our words.

LiveKit's names are coarse: a hang-up, a transfer and the maximum duration are all CLIENT_INITIATED
(`protocols.md` §2.3), so it never says who hung up; the agent does.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ending:
    reason: str  # the call's end_reason
    by: str | None = None
    answered: bool = False  # only a call that was answered ends so


KNOWN = {
    "callee_hangup": Ending("callee_hangup", by="callee", answered=True),
    "agent_hangup": Ending("agent_hangup", by="agent", answered=True),
    "max_duration": Ending("max_duration", by="agent", answered=True),
    "client_initiated": Ending("hung_up"),
    "": Ending("connection_lost"),
}


def end_reason_of(told: str) -> Ending:
    return KNOWN.get(told.lower()) or Ending(told.lower()[:64])
