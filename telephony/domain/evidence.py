"""What LiveKit and the agent report of a callee's leg, and what it proves: one table for all.

Webhooks, the poller and the reconciler read a leg through `read_leg`, and weigh everything that is
known of a call through `weigh`, so that the same facts mean the same in whatever order they come.
Sources of the rows: `docs/reference/real-livekit.md §2.1` and `docs/reference/real-livekit.md §3`.

An answer always wins: the callee is never called again because a server died. What proves nothing
ends in review, never in an outcome of the callee and never in a call that costs nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from telephony.domain.dial_verdicts import (
    CARRIER,
    CARRIER_SILENT,
    DECLINED,
    IN_DOUBT,
    NO_ANSWER,
    NOT_PLACED,
    Blame,
    Verdict,
)

# Written by the SIP service with the carrier's 200 and never before.
ANSWER_ATTRIBUTES = ("sip.callTag", "sip.callIDFull")


class Meaning(StrEnum):
    """What a piece of evidence proves, the strongest first."""

    ANSWERED = "answered"
    NOT_ANSWERED = "not answered"  # the callee's end: the attempt counts
    CARRIER_FAILED = "carrier failed"  # no phone was reached: the attempt is free
    NEVER_SENT = "never sent"  # the attempt is free
    PROVES_NOTHING = "proves nothing"  # review


@dataclass(frozen=True)
class Leg:
    """What one report shows of a telephone's leg."""

    reason: str | None = None  # why it left, in LiveKit's words; None while it is in the room
    status: str = ""  # sip.callStatus; empty where the report has no attributes
    has_answer_attributes: bool = False
    rang: bool = False  # a provisional answer was seen: the INVITE reached the carrier


@dataclass(frozen=True)
class LegRule:
    """A row of the table: what legs with these marks prove. None matches anything."""

    words: str
    meaning: Meaning
    verdict: Verdict | None = None
    reasons: frozenset[str | None] | None = None
    statuses: frozenset[str] | None = None
    has_answer_attributes: bool | None = None
    rang: bool | None = None

    def matches(self, leg: Leg) -> bool:
        """Return whether the leg has all the marks of this rule."""
        return (
            (self.reasons is None or leg.reason in self.reasons)
            and (self.statuses is None or leg.status in self.statuses)
            and self.has_answer_attributes in (None, leg.has_answer_attributes)
            and self.rang in (None, leg.rang)
        )


def _any_of(*values: str | None) -> frozenset[str | None]:
    return frozenset(values)


IN_ROOM = _any_of(None)
REMOVED = _any_of("ROOM_DELETED", "PARTICIPANT_REMOVED")

# The first rule that matches wins.
LEG_RULES: tuple[LegRule, ...] = (
    LegRule(
        "`sip.callTag` or `sip.callIDFull` is there: the carrier sent its 200",
        Meaning.ANSWERED,
        has_answer_attributes=True,
    ),
    LegRule("up, or up when it left", Meaning.ANSWERED, statuses=frozenset({"active"})),
    # Of 333 legs, all 104 that left so had been answered; a refused one keeps its status.
    LegRule("an answered call was hung up", Meaning.ANSWERED, statuses=frozenset({"hangup"})),
    LegRule("not answered yet", Meaning.PROVES_NOTHING, reasons=IN_ROOM),
    # A refused trunk reads alike, and is taken for the one that is never redialled.
    LegRule(
        "busy, declined or refused",
        Meaning.NOT_ANSWERED,
        DECLINED,
        reasons=_any_of("USER_REJECTED"),
    ),
    # 404 and 480 without a provisional answer read alike. No phone rang, so one more dial tells.
    LegRule(
        "the carrier did not react, or did not know the callee",
        Meaning.CARRIER_FAILED,
        CARRIER_SILENT,
        reasons=_any_of("USER_UNAVAILABLE"),
        statuses=frozenset({"dialing"}),
        rang=False,
    ),
    # The agent's report has no attributes. What it knows of a dead carrier reads as a phone that
    # nobody picked up; LiveKit's webhook of the same departure, or a ring that is known, tells.
    LegRule(
        "it rang out, or the carrier did not react: without attributes both read alike",
        Meaning.PROVES_NOTHING,
        reasons=_any_of("USER_UNAVAILABLE"),
        statuses=frozenset({""}),
        rang=False,
    ),
    LegRule(
        "unavailable, or it rang out",
        Meaning.NOT_ANSWERED,
        NO_ANSWER,
        reasons=_any_of("USER_UNAVAILABLE"),
    ),
    LegRule(
        "our side closed the room while it rang",
        Meaning.NOT_ANSWERED,
        NO_ANSWER,
        reasons=REMOVED,
        statuses=frozenset({"ringing"}),
    ),
    LegRule(
        "trunk, carrier or network failed",
        Meaning.CARRIER_FAILED,
        CARRIER,
        reasons=_any_of("SIP_TRUNK_FAILURE"),
    ),
    # Without a status the same reason is a hang-up, too.
    LegRule(
        "redirected, or the carrier or the network failed before it rang",
        Meaning.CARRIER_FAILED,
        CARRIER,
        reasons=_any_of("CLIENT_INITIATED"),
        statuses=frozenset({"dialing"}),
        rang=False,
    ),
    LegRule(
        "a lost connection, a dead server, or a reason that fits several ends",
        Meaning.PROVES_NOTHING,
    ),
)


@dataclass(frozen=True)
class Conclusion:
    """What all the evidence about a call proves together."""

    meaning: Meaning
    verdict: Verdict | None  # None exactly when it was answered


@dataclass(frozen=True)
class Evidence:
    """Everything that is known of a call whose end is to be decided."""

    legs: tuple[Leg, ...] = ()
    was_answered: bool = False  # the dial's answer or the agent reports it
    dial_verdict: Verdict | None = None  # on the dial's answer, where one came that is not in doubt
    callee_seen: bool = False  # in the room, by any source
    agent_witnessed_absence: bool = False


PROVEN_ANSWER = Conclusion(Meaning.ANSWERED, None)
IN_REVIEW = Conclusion(Meaning.PROVES_NOTHING, IN_DOUBT)


def read_leg(
    attributes: Mapping[str, str], *, reason: str | None = None, rang: bool = False
) -> Leg:
    """Return the leg that a participant's attributes describe; `reason` when it has left."""
    status = str(attributes.get("sip.callStatus", ""))
    return Leg(
        reason=reason,
        status=status,
        has_answer_attributes=any(attributes.get(name) for name in ANSWER_ATTRIBUTES),
        rang=rang or status == "ringing",
    )


def find_rule(leg: Leg) -> LegRule:
    """Return the row of the table that says what this leg proves."""
    return next(rule for rule in LEG_RULES if rule.matches(leg))


def proves_answer(leg: Leg) -> bool:
    """Return whether the leg can only be that of a call that was answered."""
    return find_rule(leg).meaning is Meaning.ANSWERED


def weigh(evidence: Evidence) -> Conclusion:
    """Return what the evidence proves, whatever the order in which it came."""
    # A phone that rang on one leg rang, whichever report of it tells the end.
    rang = any(leg.rang for leg in evidence.legs)
    legs = [Leg(leg.reason, leg.status, leg.has_answer_attributes, rang) for leg in evidence.legs]
    if evidence.was_answered or any(proves_answer(leg) for leg in legs):
        return PROVEN_ANSWER
    if evidence.dial_verdict is not None:
        return conclude_from_verdict(evidence.dial_verdict)
    if found := _strongest(find_rule(leg) for leg in legs):
        return found
    if not evidence.callee_seen and not legs and evidence.agent_witnessed_absence:
        return Conclusion(Meaning.NEVER_SENT, NOT_PLACED)
    return IN_REVIEW


def conclude_from_verdict(verdict: Verdict) -> Conclusion:
    """Return what a verdict on the dial's answer proves."""
    if verdict.blame is Blame.DOUBT:
        return Conclusion(Meaning.PROVES_NOTHING, verdict)
    if not verdict.sent:
        return Conclusion(Meaning.NEVER_SENT, verdict)
    free = not verdict.counts
    return Conclusion(Meaning.CARRIER_FAILED if free else Meaning.NOT_ANSWERED, verdict)


def _strongest(rules: Iterable[LegRule]) -> Conclusion | None:
    """Return the strongest proof among the rules, by the order of meanings and then of the table.

    An end that counts comes before one that is free: the free one would be redialled at once.
    """
    order = list(Meaning)
    proofs = [rule for rule in rules if rule.meaning is not Meaning.PROVES_NOTHING]
    if not proofs:
        return None
    best = min(proofs, key=lambda rule: (order.index(rule.meaning), LEG_RULES.index(rule)))
    return Conclusion(best.meaning, best.verdict)
