"""What every combination of evidence proves, and that the order of its arrival changes nothing."""

from itertools import combinations, permutations, product

import pytest

from telephony.domain.dial_verdicts import (
    BUSY,
    CARRIER,
    CARRIER_UNREACHABLE,
    IN_DOUBT,
    NO_ANSWER,
    RING_TIMEOUT,
    Verdict,
)
from telephony.domain.evidence import (
    LEG_RULES,
    Evidence,
    Leg,
    Meaning,
    find_rule,
    proves_answer,
    read_leg,
    weigh,
)

REASONS = (
    None,
    "",
    "UNKNOWN_REASON",
    "CLIENT_INITIATED",
    "DUPLICATE_IDENTITY",
    "SERVER_SHUTDOWN",
    "PARTICIPANT_REMOVED",
    "ROOM_DELETED",
    "USER_UNAVAILABLE",
    "USER_REJECTED",
    "SIP_TRUNK_FAILURE",
    "CONNECTION_TIMEOUT",
    "MEDIA_FAILURE",
)
STATUSES = ("", "dialing", "ringing", "automation", "active", "hangup")
LEGS = [
    Leg(reason, status, marked, rang)
    for reason, status, marked, rang in product(REASONS, STATUSES, (False, True), (False, True))
]
VERDICTS: tuple[Verdict | None, ...] = (
    None,
    BUSY,
    RING_TIMEOUT,
    NO_ANSWER,
    CARRIER,
    CARRIER_UNREACHABLE,
    IN_DOUBT,
)


def shows_answer(leg: Leg) -> bool:
    return leg.has_answer_attributes or leg.status in ("active", "hangup")


@pytest.mark.parametrize("leg", LEGS, ids=str)
def test_leg_proves_an_answer_exactly_when_its_attributes_do(leg: Leg) -> None:
    assert proves_answer(leg) is shows_answer(leg)


def test_every_rule_is_reached() -> None:
    assert {find_rule(leg) for leg in LEGS} == set(LEG_RULES)


def test_answer_is_never_overruled_whatever_else_is_known() -> None:
    answers = [leg for leg in LEGS if shows_answer(leg)]
    for answer, other, verdict in product(answers[::3], LEGS[::3], VERDICTS):
        evidence = Evidence(legs=(other, answer), dial_verdict=verdict, callee_seen=True)
        assert weigh(evidence).meaning is Meaning.ANSWERED
    for other, verdict in product(LEGS, VERDICTS):
        evidence = Evidence(legs=(other,), dial_verdict=verdict, was_answered=True)
        assert weigh(evidence).meaning is Meaning.ANSWERED


def test_order_of_the_evidence_changes_nothing() -> None:
    for legs in combinations(LEGS[::7], 3):
        found = {weigh(Evidence(legs=order, callee_seen=True)) for order in permutations(legs)}
        assert len(found) == 1


@pytest.mark.parametrize("leg", [leg for leg in LEGS if not shows_answer(leg)], ids=str)
def test_attempt_is_free_only_when_no_phone_rang_and_the_carrier_is_known_to_have_failed(
    leg: Leg,
) -> None:
    conclusion = weigh(Evidence(legs=(leg,), callee_seen=True))

    if conclusion.meaning is Meaning.CARRIER_FAILED:
        assert leg.reason == "SIP_TRUNK_FAILURE" or not leg.rang
        assert leg.reason in ("SIP_TRUNK_FAILURE", "CLIENT_INITIATED", "USER_UNAVAILABLE")
    assert conclusion.meaning is not Meaning.NEVER_SENT


@pytest.mark.parametrize("rang", [False, True])
@pytest.mark.parametrize("status", ["", "dialing", "ringing"])
@pytest.mark.parametrize("reason", ["", "UNKNOWN_REASON", "CONNECTION_TIMEOUT", "SERVER_SHUTDOWN"])
def test_reason_that_proves_nothing_ends_in_review(reason: str, status: str, rang: bool) -> None:
    conclusion = weigh(Evidence(legs=(Leg(reason, status, rang=rang),), callee_seen=True))

    assert (conclusion.meaning, conclusion.verdict) == (Meaning.PROVES_NOTHING, IN_DOUBT)


@pytest.mark.parametrize(
    ("seen", "witnessed", "meaning"),
    [
        (False, True, Meaning.NEVER_SENT),
        (False, False, Meaning.PROVES_NOTHING),
        (True, True, Meaning.PROVES_NOTHING),
        (True, False, Meaning.PROVES_NOTHING),
    ],
)
def test_only_the_agent_proves_that_nothing_was_sent(
    seen: bool, witnessed: bool, meaning: Meaning
) -> None:
    evidence = Evidence(callee_seen=seen, agent_witnessed_absence=witnessed)

    assert weigh(evidence).meaning is meaning


@pytest.mark.parametrize("leg", LEGS[::5], ids=str)
def test_dials_answer_decides_before_the_reason_of_the_departure(leg: Leg) -> None:
    """LiveKit's reasons are coarse: USER_REJECTED is a busy line and a refused trunk, too."""
    conclusion = weigh(Evidence(legs=(leg,), dial_verdict=BUSY, callee_seen=True))

    assert conclusion.verdict is (None if shows_answer(leg) else BUSY)


@pytest.mark.parametrize("name", ["sip.callTag", "sip.callIDFull"])
def test_leg_with_the_carriers_ids_was_answered(name: str) -> None:
    leg = read_leg({"sip.callStatus": "dialing", name: "x"}, reason="CONNECTION_TIMEOUT")

    assert proves_answer(leg)
