"""What an answer to a dial request means: `docs/reference/protocols.md §2.2` as data.

`classify` reads `RULES` from the top; the first rule that matches wins. The SIP status comes before
everything else, because busy and no answer look like rate limits and timeouts (486 arrives as HTTP
429, our own ringing timeout as 408).
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from telephony.models import Outcome

TWILIO_CARRIER_BLOCK = "32203"
BLOCKED_WORDS = r"blocked|32203|unwanted|\bspam\b|\bfraud|robocall|analytics"


class Blame(StrEnum):
    """Who caused the end, and so what follows. Only the callee's ends count as attempts."""

    CALLEE = "callee"
    CAPACITY = "capacity"  # the number backs off
    CARRIER = "carrier"  # the number backs off, the circuit breaker counts it
    TRUNK = "trunk"  # the batch pauses at once: nothing works until an operator repairs it
    PLATFORM = "platform"  # nothing was dialled; the circuit breaker counts it
    PLATFORM_POLICY = "us"  # nothing was dialled: our own gate or fence, not a failure
    DOUBT = "doubt"  # unknown as yet: reconciliation decides


@dataclass(frozen=True)
class Verdict:
    """How a call that was not answered ended."""

    outcome: Outcome
    reason: str  # the call's end_reason: one per verdict, so that the rest follows from it
    blame: Blame
    description: str
    sent: bool = True  # False: provably no INVITE left

    @property
    def counts(self) -> bool:
        """Whether the call counts against the recipient's attempts."""
        return self.blame is Blame.CALLEE


@dataclass(frozen=True)
class DialRefusal:
    """LiveKit's refusal of a dial; `code` is Twirp's and `status` is HTTP's."""

    code: str = ""
    status: int = 0
    message: str = ""
    sip_code: int | None = None
    sip_phrase: str = ""


@dataclass(frozen=True)
class Rule:
    """A row of the table: the verdict on refusals with these marks. Empty marks match anything."""

    verdict: Verdict
    sip: frozenset[int] | None = None  # None: the refusal carries no SIP status
    contains: str = ""  # a pattern in the message or the SIP phrase, in any case
    code: str = ""
    status: int = 0

    def matches(self, refusal: DialRefusal) -> bool:
        """Return whether the refusal has all the marks of this rule."""
        if (self.sip is None) != (refusal.sip_code is None):
            return False
        if self.sip and refusal.sip_code not in self.sip:
            return False
        text = f"{refusal.message} {refusal.sip_phrase}".lower()
        return (
            (not self.contains or re.search(self.contains, text) is not None)
            and (not self.code or self.code == refusal.code)
            and (not self.status or self.status == refusal.status)
        )


def sip(*codes: int) -> frozenset[int]:
    """Return the codes as a rule has them."""
    return frozenset(codes)


BLOCKED = Verdict(
    Outcome.BLOCKED, "blocked_by_carrier", Blame.CALLEE, "The carrier blocked the call"
)
BUSY = Verdict(Outcome.BUSY, "busy", Blame.CALLEE, "The callee's line was busy")
DECLINED = Verdict(Outcome.DECLINED, "declined", Blame.CALLEE, "The callee declined the call")
NO_ANSWER = Verdict(Outcome.NO_ANSWER, "no_answer", Blame.CALLEE, "Nobody answered")
RING_TIMEOUT = Verdict(
    Outcome.NO_ANSWER, "ringing_timeout", Blame.CALLEE, "Nobody answered before the ringing timeout"
)
INVALID = Verdict(
    Outcome.INVALID_NUMBER, "invalid_number", Blame.CALLEE, "The number does not exist"
)
THROTTLED = Verdict(
    Outcome.THROTTLED, "carrier_limit", Blame.CAPACITY, "The carrier's limit of calls was reached"
)
# LiveKit refuses at its door, before any SIP node has seen the dial.
RATE_LIMITED = Verdict(
    Outcome.THROTTLED,
    "livekit_limit",
    Blame.CAPACITY,
    "LiveKit's rate limit was reached",
    sent=False,
)
CARRIER_BUSY = Verdict(
    Outcome.CARRIER_ERROR, "carrier_unavailable", Blame.CARRIER, "The carrier is out of channels"
)
CARRIER = Verdict(Outcome.CARRIER_ERROR, "carrier_error", Blame.CARRIER, "The carrier failed")
CARRIER_SILENT = Verdict(
    Outcome.CARRIER_ERROR, "carrier_silent", Blame.CARRIER, "The carrier did not react"
)
# The same, after some free calls, of one callee beside others whom the carrier does connect.
NEVER_RANG = Verdict(
    Outcome.NO_ANSWER,
    "carrier_silent",
    Blame.CALLEE,
    "The phone never rang, while others on this number did",
)
CARRIER_UNREACHABLE = Verdict(
    Outcome.CARRIER_ERROR,
    "carrier_unreachable",
    Blame.CARRIER,
    "The carrier could not be reached",
    sent=False,
)
TRUNK_AUTH = Verdict(
    Outcome.TRUNK_ERROR,
    "trunk_credentials_refused",
    Blame.TRUNK,
    "The carrier refused the trunk's credentials",
)
# May be one country without permission while others work, so a single refusal must not pause the
# batch as wrong credentials do.
TRUNK_FORBIDDEN = Verdict(
    Outcome.TRUNK_ERROR,
    "trunk_forbidden",
    Blame.CARRIER,
    "The carrier does not let this trunk call there",
)
TRUNK_MEDIA = Verdict(
    Outcome.TRUNK_ERROR, "trunk_media", Blame.CARRIER, "The carrier and the trunk share no codec"
)
TRUNK_ADDRESS = Verdict(
    Outcome.TRUNK_ERROR,
    "trunk_address",
    Blame.CARRIER,
    "The trunk's address cannot be resolved",
    sent=False,
)
TRUNK_GONE = Verdict(
    Outcome.TRUNK_ERROR,
    "trunk_gone",
    Blame.TRUNK,
    "The trunk does not exist at LiveKit",
    sent=False,
)
TRUNK_EMPTY = Verdict(
    Outcome.TRUNK_ERROR,
    "trunk_without_number",
    Blame.TRUNK,
    "The trunk has no number at LiveKit",
    sent=False,
)
BAD_REQUEST = Verdict(
    Outcome.TRUNK_ERROR,
    "refused_by_livekit",
    Blame.CARRIER,
    "LiveKit refused the request",
    sent=False,
)
# Every call of every batch would fail alike, so it stops a batch at once, like a broken trunk.
KEY_REFUSED = Verdict(
    Outcome.TRUNK_ERROR,
    "livekit_key_refused",
    Blame.TRUNK,
    "LiveKit refused our API key",
    sent=False,
)
# The dialer was stalled between intent and send. Neither the carrier nor the number is to blame, so
# neither may back off for it.
FENCED = Verdict(
    Outcome.CANCELLED,
    "fenced",
    Blame.PLATFORM_POLICY,
    "The request came too late and was refused",
    sent=False,
)
NO_SIP = Verdict(
    Outcome.CARRIER_ERROR,
    "livekit_unavailable",
    Blame.PLATFORM,
    "LiveKit had no SIP service free",
    sent=False,
)
UNREACHABLE = Verdict(
    Outcome.CARRIER_ERROR,
    "livekit_unreachable",
    Blame.PLATFORM,
    "LiveKit could not be reached",
    sent=False,
)
IN_DOUBT = Verdict(
    Outcome.UNKNOWN, "in_doubt", Blame.DOUBT, "Nobody can prove whether the phone rang"
)

# Ends that the dialer decides itself, before anything was sent.
# Nothing is dialled without an agent: whoever picked up would hear silence.
NO_AGENT = Verdict(
    Outcome.CANCELLED, "no_agent", Blame.PLATFORM, "No voice agent joined the room", sent=False
)
# The dial was cancelled; had the callee picked up, they would have heard silence.
AGENT_LOST = Verdict(
    Outcome.CANCELLED,
    "agent_lost",
    Blame.PLATFORM,
    "The voice agent was lost before the callee answered",
)
UNREADABLE = Verdict(
    Outcome.CANCELLED,
    "agent_unreadable",
    Blame.PLATFORM,
    "The agent's secrets cannot be decrypted",
    sent=False,
)
TOO_LONG = Verdict(
    Outcome.CANCELLED,
    "variables_too_long",
    Blame.PLATFORM_POLICY,
    "The variables are longer than LiveKit takes",
    sent=False,
)
ABANDONED = Verdict(
    Outcome.CANCELLED,
    "abandoned",
    Blame.PLATFORM_POLICY,
    "The worker stopped before it dialled",
    sent=False,
)
NOT_PLACED = Verdict(
    Outcome.CANCELLED, "not_placed", Blame.PLATFORM_POLICY, "Proven: no INVITE left", sent=False
)
RELEASED = Verdict(
    Outcome.CANCELLED,
    "released",
    Blame.PLATFORM_POLICY,
    "Put back before it was dialled",
    sent=False,
)

RULES: tuple[Rule, ...] = (
    # Statuses of their own for calls that the callee's side or a network does not want (RFC 8197,
    # RFC 8688); analytics engines answer 603 with words of theirs (ATIS-1000099). Those have to be
    # read before a plain decline. Twilio's 603 with 32203 reaches us as one: LiveKit drops the
    # header (`docs/reference/real-livekit.md §2.5`).
    Rule(BLOCKED, sip=sip(607, 608)),
    Rule(BLOCKED, sip=sip(603), contains=BLOCKED_WORDS),
    # Arrives as HTTP 429: without its SIP status, busy would pass for LiveKit's own rate limit.
    Rule(BUSY, sip=sip(486, 600)),
    Rule(DECLINED, sip=sip(603)),
    # 480 arrives as 429 as well, and 408 as a timeout, although the callee's network did answer.
    Rule(NO_ANSWER, sip=sip(480, 408, 487)),
    # The carrier objects to the digits, so another attempt with the same number cannot succeed.
    Rule(INVALID, sip=sip(404, 604, 410, 484, 485, 400)),
    Rule(TRUNK_AUTH, sip=sip(401, 407)),
    # Carriers report a limit with the status of a refusal or of a failure. Only the words
    # distinguish them, so this row stands before the rows of those statuses.
    Rule(
        THROTTLED,
        sip=sip(403, 500, 501, 502, 503),
        contains=r"limit exceeded|channel limit|concurrent call",
    ),
    Rule(TRUNK_FORBIDDEN, sip=sip(402, 403)),
    Rule(TRUNK_MEDIA, sip=sip(488, 415, 606)),
    Rule(CARRIER_BUSY, sip=sip(503)),
    Rule(CARRIER, sip=frozenset(range(500, 600))),
    # Whatever the carrier answered, it answered: a call with a SIP status is never in doubt.
    Rule(CARRIER, sip=frozenset(range(300, 700))),
    # From here on there is no SIP status. Our own ringing timeout cancels the INVITE, so that no
    # carrier's answer is left to report and only this text shows what happened.
    Rule(RING_TIMEOUT, contains=r"sip request timed out"),
    # The same in a rare race (sip#857). The general row for 412 below would take the call for one
    # that was never sent.
    Rule(RING_TIMEOUT, status=412, contains=r"context deadline exceeded"),
    # The INVITE left and SIP's own timer ran out, so unlike an unreachable carrier this was sent.
    Rule(CARRIER_SILENT, contains=r"transaction failed to complete"),
    # LiveKit meets the carrier's challenge itself; when it gives up, it passes no SIP status on.
    Rule(TRUNK_AUTH, contains=r"required auth, but no username|max auth retry attempts"),
    Rule(TRUNK_EMPTY, contains=r"no numbers on outbound trunk"),
    # Without a SIP status, a 404 is LiveKit's own. The carrier's, an unknown callee, matched above.
    Rule(TRUNK_GONE, status=404),
    # A failed DNS look-up has the status of a malformed request; only the resolver's words differ.
    Rule(TRUNK_ADDRESS, status=400, contains=r"no such host|lookup |bad address"),
    Rule(BAD_REQUEST, status=400),
    # By status: a bad key is refused in plain text, which the client reads as the code `unknown`.
    Rule(KEY_REFUSED, status=401),
    Rule(KEY_REFUSED, status=403),
    # Before the next row: the address of a trunk may contain its words.
    Rule(CARRIER_UNREACHABLE, status=412, contains=r"^transport<|dial err="),
    Rule(TRUNK_MEDIA, status=412, contains=r"sdp|codec|crypto|media"),
    # A network error on the way to the carrier. LiveKit keeps it out of the 5xx range so that no
    # client takes it for an invitation to dial again.
    Rule(CARRIER_UNREACHABLE, status=412),
    Rule(RATE_LIMITED, status=429),
    # Only with Twirp's code: a proxy's bare 503 proves nothing about the dial behind it.
    Rule(NO_SIP, code="unavailable", status=503),
)

BY_REASON: dict[str, Verdict] = {
    verdict.reason: verdict
    for verdict in (
        *(rule.verdict for rule in RULES),
        FENCED,
        UNREACHABLE,
        IN_DOUBT,
        NO_AGENT,
        AGENT_LOST,
        UNREADABLE,
        TOO_LONG,
        ABANDONED,
        NOT_PLACED,
        RELEASED,
    )
}


def classify(refusal: DialRefusal, *, token_expired: bool = False) -> Verdict:
    """Return the verdict on a refusal; one that no rule matches is in doubt.

    A 401 after the token's end is the fence at work: LiveKit refused what came too late.
    """
    if token_expired and refusal.status in (401, 403) and refusal.sip_code is None:
        return FENCED
    return next((rule.verdict for rule in RULES if rule.matches(refusal)), IN_DOUBT)


def provider_code(refusal: DialRefusal) -> str | None:
    """Return the number of Twilio's `X-Twilio-Error`, where LiveKit passes that header on.

    For statuses that LiveKit expects, the header stands in place of the reason phrase (`13224
    Invalid phone number`). A block is only named in words, which LiveKit does for this one number.
    """
    found = re.match(r"[1-6][0-9]{4}\b", refusal.sip_phrase)
    found = found or re.search(r"\b3[0-9]{4}\b", refusal.message)
    if found is not None:
        return found.group(0)
    return TWILIO_CARRIER_BLOCK if "blocked by carrier" in refusal.message else None
