"""What a callee does, by the last two digits of the number (docs/reference/api-contract.md §11)."""

from dataclasses import dataclass, replace

from sandbox.livekit.sip_errors import Refusal, sip_refusal
from sandbox.livekit.twirp import TwirpError

RINGING_BEFORE_ANSWER_SECONDS = 8.0
UNANSWERED_RINGING_SECONDS = 30.0
MIN_TALK_SECONDS = 20.0
MAX_TALK_SECONDS = 60.0
IMMEDIATE_HANG_UP_SECONDS = 0.6


@dataclass(frozen=True)
class Callee:
    """How a call is answered. Seconds are simulated.

    `trying` seconds pass until the phone rings, and `rings` more until the answer or the refusal.
    Without `talk` the call lasts until a maximum duration ends it. `error` fails the request before
    the INVITE is sent. With `mute` the request is never answered, although the call is. A `silent`
    one never responds, not even with 100. With `early_media` the phone's ringing is told by 183
    instead of 180.

    The rest befalls LiveKit and the agent: the INVITE leaves `invite_after` seconds of the wall
    clock late; the agent vanishes `agent_dies` seconds after the answer, notices everything
    `agent_lag` seconds late, or cannot reach VoiceOps for `agent_unreachable` seconds of the wall
    clock from the answer on; a second DeleteRoom falls beside the first; no egress service records.
    """

    trying: float = 0.4
    rings: float = RINGING_BEFORE_ANSWER_SECONDS
    refusal: Refusal | None = None
    error: TwirpError | None = None
    machine: bool = False
    talk: float | None = 30.0
    hangs_up: str = "callee"
    mute: bool = False
    silent: bool = False
    early_media: bool = False
    invite_after: float = 0.0
    agent_dies: float | None = None
    agent_lag: float = 0.0
    agent_unreachable: float = 0.0
    double_delete: bool = False
    egress_missing: bool = False


def refusing_callee(sip_code: int, *, trying: float = 0.4, rings: float = 0.0) -> Callee:
    return Callee(trying=trying, rings=rings, refusal=sip_refusal(sip_code))


# Twilio's 603 with X-Twilio-Error 32203 reaches LiveKit's clients as a plain 603; a block by the
# callee's own network does not lose its code.
BLOCKED_BY_CARRIER = refusing_callee(607)
OUT_OF_CHANNELS = refusing_callee(503)
# The network gives up after 30 s, unless the caller's ringing timeout is shorter.
UNANSWERED = Callee(rings=UNANSWERED_RINGING_SECONDS, refusal=sip_refusal(480))
TALKS_UNTIL_MAX_DURATION = Callee(talk=None, hangs_up="agent")


# First and last of the two digits, and what the callee does.
CALLEES_BY_DIGITS = (
    (60, 69, UNANSWERED),
    # Busy without ringing: no 18x comes before the 486.
    (70, 74, refusing_callee(486, trying=1.4)),
    (80, 84, refusing_callee(603, rings=5.0)),
    (85, 89, refusing_callee(404)),
    (95, 97, TALKS_UNTIL_MAX_DURATION),
    (98, 98, BLOCKED_BY_CARRIER),
)


def callee_of_number(number: str, *, earlier_dials: int) -> Callee:
    """Return what the callee does. The same number with the same count of earlier dials always
    does the same.
    """
    digits = "".join(c for c in number if c.isdigit())
    last = int(digits[-2:] or "0")
    if 90 <= last <= 94 and earlier_dials == 0:
        return OUT_OF_CHANNELS
    for first, final, callee in CALLEES_BY_DIGITS:
        if first <= last <= final:
            return callee
    return _answering_callee(digits, last, mute=last == 99 and earlier_dials == 0)


def _answering_callee(digits: str, last: int, *, mute: bool) -> Callee:
    if 55 <= last <= 59:
        return Callee(talk=IMMEDIATE_HANG_UP_SECONDS)
    # Knuth's multiplicative hash, so that neighbouring numbers talk for different times.
    spread = int(digits[-7:] or "0") * 2_654_435_761 % 2**32 / 2**32
    talk = MIN_TALK_SECONDS + spread * (MAX_TALK_SECONDS - MIN_TALK_SECONDS)
    if 75 <= last <= 79:
        return Callee(machine=True, talk=talk)
    return Callee(talk=talk, hangs_up="agent" if last % 3 == 0 else "callee", mute=mute)


def caller_of_number(number: str) -> Callee:
    """Return what a caller does: talk and hang up as when the number is called."""
    digits = "".join(c for c in number if c.isdigit())
    # Modulo 50, so that every caller's digits are those of a callee who answers and talks.
    caller = _answering_callee(digits, int(digits[-2:] or "0") % 50, mute=False)
    return replace(caller, trying=0.0, rings=0.0)
