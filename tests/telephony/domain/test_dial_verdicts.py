"""Every row of the table of `docs/reference/protocols.md §2.2`, by the answer of LiveKit."""

import pytest

from telephony.domain.dial_verdicts import Blame, DialRefusal, classify, provider_code
from telephony.models import Outcome


def sip(
    code: int, phrase: str = "", twirp: str = "", status: int = 0, message: str = ""
) -> DialRefusal:
    return DialRefusal(
        code=twirp,
        status=status,
        message=message or f"sip status: {code}: {phrase}",
        sip_code=code,
        sip_phrase=phrase,
    )


ROWS = {
    "busy": (sip(486, "Busy Here", "resource_exhausted", 429), Outcome.BUSY, Blame.CALLEE),
    "busy everywhere": (
        sip(600, "Busy Everywhere", "resource_exhausted", 429),
        Outcome.BUSY,
        Blame.CALLEE,
    ),
    "declined": (sip(603, "Decline", "permission_denied", 403), Outcome.DECLINED, Blame.CALLEE),
    "unwanted": (sip(607, "Unwanted", "permission_denied", 403), Outcome.BLOCKED, Blame.CALLEE),
    "rejected": (sip(608, "Rejected", "permission_denied", 403), Outcome.BLOCKED, Blame.CALLEE),
    "blocked by an analytics engine": (
        sip(603, "Network Blocked", "permission_denied", 403),
        Outcome.BLOCKED,
        Blame.CALLEE,
    ),
    "blocked as spam": (
        sip(603, "Rejected as SPAM", "permission_denied", 403),
        Outcome.BLOCKED,
        Blame.CALLEE,
    ),
    "blocked": (
        sip(
            603,
            "Decline",
            "permission_denied",
            403,
            "INVITE blocked by carrier: X-Twilio-Error 32203",
        ),
        Outcome.BLOCKED,
        Blame.CALLEE,
    ),
    "unavailable": (
        sip(480, "Temporarily Unavailable", "resource_exhausted", 429),
        Outcome.NO_ANSWER,
        Blame.CALLEE,
    ),
    "network timeout": (
        sip(408, "Request Timeout", "deadline_exceeded", 408),
        Outcome.NO_ANSWER,
        Blame.CALLEE,
    ),
    "terminated": (sip(487, "Request Terminated", "aborted", 409), Outcome.NO_ANSWER, Blame.CALLEE),
    "ringing timeout": (
        DialRefusal("canceled", 408, "sip request timed out"),
        Outcome.NO_ANSWER,
        Blame.CALLEE,
    ),
    "ringing timeout, rare race": (
        DialRefusal("failed_precondition", 412, "context deadline exceeded"),
        Outcome.NO_ANSWER,
        Blame.CALLEE,
    ),
    "not found": (sip(404, "Not Found", "not_found", 404), Outcome.INVALID_NUMBER, Blame.CALLEE),
    "exists nowhere": (
        sip(604, "Does Not Exist Anywhere", "not_found", 404),
        Outcome.INVALID_NUMBER,
        Blame.CALLEE,
    ),
    "gone": (sip(410, "Gone", "not_found", 404), Outcome.INVALID_NUMBER, Blame.CALLEE),
    "incomplete": (
        sip(484, "Address Incomplete", "invalid_argument", 400),
        Outcome.INVALID_NUMBER,
        Blame.CALLEE,
    ),
    "ambiguous": (
        sip(485, "Ambiguous", "invalid_argument", 400),
        Outcome.INVALID_NUMBER,
        Blame.CALLEE,
    ),
    "bad request": (
        sip(400, "Bad Request", "invalid_argument", 400),
        Outcome.INVALID_NUMBER,
        Blame.CALLEE,
    ),
    "forbidden": (
        sip(403, "Forbidden", "permission_denied", 403),
        Outcome.TRUNK_ERROR,
        Blame.CARRIER,
    ),
    "payment required": (
        sip(402, "Payment Required", "permission_denied", 403),
        Outcome.TRUNK_ERROR,
        Blame.CARRIER,
    ),
    "no credentials": (
        DialRefusal(
            "failed_precondition",
            412,
            "sip server required auth, but no username or password was provided",
        ),
        Outcome.TRUNK_ERROR,
        Blame.TRUNK,
    ),
    "wrong credentials": (
        DialRefusal("failed_precondition", 412, "max auth retry attempts reached for SIP invite"),
        Outcome.TRUNK_ERROR,
        Blame.TRUNK,
    ),
    "connection refused by a host whose name has a word of codecs": (
        DialRefusal(
            "failed_precondition",
            412,
            "transport<TCP> dial err=dial tcp media.example.com:5060: connect: connection refused",
        ),
        Outcome.CARRIER_ERROR,
        Blame.CARRIER,
    ),
    "codec": (
        sip(488, "Not Acceptable Here", "invalid_argument", 400),
        Outcome.TRUNK_ERROR,
        Blame.CARRIER,
    ),
    "server error": (
        sip(500, "Internal", "failed_precondition", 412),
        Outcome.CARRIER_ERROR,
        Blame.CARRIER,
    ),
    "out of channels": (
        sip(503, "Service Unavailable", "failed_precondition", 412),
        Outcome.CARRIER_ERROR,
        Blame.CARRIER,
    ),
    "calls per second": (
        sip(503, "Trunk CPS limit exceeded. Region: us1", "failed_precondition", 412),
        Outcome.THROTTLED,
        Blame.CAPACITY,
    ),
    "gateway timeout": (
        sip(504, "Server Time-out", "deadline_exceeded", 408),
        Outcome.CARRIER_ERROR,
        Blame.CARRIER,
    ),
    "no such host": (
        DialRefusal("invalid_argument", 400, "lookup sip.nowhere.example: no such host"),
        Outcome.TRUNK_ERROR,
        Blame.CARRIER,
    ),
    "refused by the carrier's host": (
        DialRefusal("failed_precondition", 412, "dial tcp: connection refused"),
        Outcome.CARRIER_ERROR,
        Blame.CARRIER,
    ),
    "carrier silent": (
        DialRefusal("canceled", 408, "transaction failed to complete (0 intermediate responses)"),
        Outcome.CARRIER_ERROR,
        Blame.CARRIER,
    ),
    "no SIP worker": (
        DialRefusal("unavailable", 503, "twirp error unknown: no response from servers"),
        Outcome.CARRIER_ERROR,
        Blame.PLATFORM,
    ),
    "RPC deadline": (
        DialRefusal("deadline_exceeded", 408, "request timed out"),
        Outcome.UNKNOWN,
        Blame.DOUBT,
    ),
    "quota": (
        DialRefusal("resource_exhausted", 429, "rate limit exceeded"),
        Outcome.THROTTLED,
        Blame.CAPACITY,
    ),
    "trunk gone": (
        DialRefusal("not_found", 404, "requested sip trunk does not exist"),
        Outcome.TRUNK_ERROR,
        Blame.TRUNK,
    ),
    "our key": (DialRefusal("unknown", 401, ""), Outcome.TRUNK_ERROR, Blame.TRUNK),
    "internal": (DialRefusal("internal", 500, "internal"), Outcome.UNKNOWN, Blame.DOUBT),
    "a proxy's 503": (DialRefusal("unknown", 503, ""), Outcome.UNKNOWN, Blame.DOUBT),
}


@pytest.mark.parametrize("name", ROWS)
def test_refusal_has_its_verdict(name: str) -> None:
    answer, outcome, blame = ROWS[name]

    verdict = classify(answer)

    assert (verdict.outcome, verdict.blame) == (outcome, blame)
    assert verdict.counts == (blame is Blame.CALLEE)


def test_refused_token_after_its_end_is_the_fence() -> None:
    verdict = classify(DialRefusal("unknown", 401, ""), token_expired=True)

    assert (verdict.blame, verdict.sent) == (Blame.PLATFORM_POLICY, False)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (sip(603, "Decline", message="INVITE blocked by carrier: X-Twilio-Error 32203"), "32203"),
        (
            sip(603, "Decline", message="INVITE blocked by carrier: sip status: 603: Decline"),
            "32203",
        ),
        (sip(404, "13224 Invalid phone number"), "13224"),
        (sip(486, "Busy Here"), None),
    ],
)
def test_twilios_error_code_is_read_where_livekit_passes_it_on(
    answer: DialRefusal, code: str | None
) -> None:
    assert provider_code(answer) == code
