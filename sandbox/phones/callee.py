"""What the callee does: a table, by the last two digits of the number dialled (api-contract.md 11)."""

from dataclasses import dataclass, replace

from sandbox.livekit.sip_errors import Refusal, sip_refusal
from sandbox.livekit.twirp import TwirpError

RINGS_BEFORE_ANSWER = 8.0
RINGS_UNANSWERED = 30.0
TALK_SHORTEST, TALK_LONGEST = 20.0, 60.0
HANGS_UP_AT_ONCE = 0.6


@dataclass(frozen=True)
class Callee:
    """One way to take a call. Seconds are simulated.

    `trying` passes before the first sign of life, `rings` between that and the answer or refusal.
    `talk` None goes on until a maximum duration ends the call. `error` refuses the request before
    an INVITE is sent. `mute` never answers the request.
    """

    trying: float = 0.4
    rings: float = RINGS_BEFORE_ANSWER
    refusal: Refusal | None = None
    error: TwirpError | None = None
    machine: bool = False
    talk: float | None = 30.0
    hangs_up: str = "callee"
    mute: bool = False


def refuses(
    sip_code: int, phrase: str | None = None, *, rings: float = 0.0, **headers: str
) -> Callee:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Callee(rings=rings, refusal=sip_refusal(sip_code, phrase, named))


BLOCKED = refuses(603, "Decline", X_Twilio_Error="32203 Call blocked by carrier")
OUT_OF_CHANNELS = refuses(503)
# The network gives up after 30 s; a shorter ringing timeout of the caller comes first.
NOBODY_HOME = Callee(rings=RINGS_UNANSWERED, refusal=sip_refusal(480))
ENDLESS = Callee(talk=None, hangs_up="agent")


def callee_for(number: str, *, dialled_before: int) -> Callee:
    """Deterministic: the same digits, dialled as often before, take the call in the same way."""
    digits = "".join(c for c in number if c.isdigit())
    last = int(digits[-2:] or "0")
    if 90 <= last <= 94 and dialled_before == 0:
        return OUT_OF_CHANNELS
    for first, final, callee in REFUSALS:
        if first <= last <= final:
            return callee
    return _answering(digits, last, mute=last == 99 and dialled_before == 0)


REFUSALS = (
    (60, 69, NOBODY_HOME),
    (70, 74, refuses(486, rings=1.0)),
    (80, 84, refuses(603, rings=5.0)),
    (85, 89, refuses(404)),
    (95, 97, ENDLESS),
    (98, 98, BLOCKED),
)


def _answering(digits: str, last: int, *, mute: bool) -> Callee:
    if 55 <= last <= 59:
        return Callee(talk=HANGS_UP_AT_ONCE)
    spread = (
        int(digits[-7:] or "0") * 2_654_435_761 % 2**32 / 2**32
    )  # Knuth's hash: neighbours differ
    talk = TALK_SHORTEST + spread * (TALK_LONGEST - TALK_SHORTEST)
    if 75 <= last <= 79:
        return Callee(machine=True, talk=talk)
    return Callee(talk=talk, hangs_up="agent" if last % 3 == 0 else "callee", mute=mute)


def caller_for(number: str) -> Callee:
    """Somebody who calls us: talks as long, and ends it in the same way, as when we call them."""
    digits = "".join(c for c in number if c.isdigit())
    return replace(
        _answering(digits, int(digits[-2:] or "0") % 50, mute=False), trying=0.0, rings=0.0
    )


# --- numbers that are told to behave otherwise (PUT /_sandbox/behaviours) ---
