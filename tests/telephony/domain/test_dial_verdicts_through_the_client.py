"""The table of `docs/reference/protocols.md §2.2`, through the sandbox and LiveKit's own client.

`test_dial_verdicts.py` compares the rules with refusals written by hand; here the client reads
them off the wire.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone
from livekit import api

from telephony.clients.livekit.dial import Answered, DialRequest, DialResult, dial
from telephony.clients.livekit.session import session
from telephony.domain.dial_verdicts import Blame, DialRefusal, classify
from telephony.models import Outcome
from tests import sandbox_server
from tests.sandbox_server import RunningSandbox
from voiceops.core.ids import uuid7


def ends(code: str, msg: str) -> dict[str, Any]:
    """After the INVITE, without a SIP status."""
    return {"failure": {"code": code, "msg": msg}}


ROWS: dict[str, tuple[dict[str, Any], Outcome, Blame]] = {
    "busy": ({"sip_code": 486}, Outcome.BUSY, Blame.CALLEE),
    "busy everywhere": ({"sip_code": 600}, Outcome.BUSY, Blame.CALLEE),
    "declined": ({"sip_code": 603}, Outcome.DECLINED, Blame.CALLEE),
    "unwanted": ({"sip_code": 607}, Outcome.BLOCKED, Blame.CALLEE),
    "rejected": ({"sip_code": 608}, Outcome.BLOCKED, Blame.CALLEE),
    "blocked by Twilio, which LiveKit does not tell": (
        {"sip_code": 603, "headers": {"X-Twilio-Error": "32203 Call blocked"}},
        Outcome.DECLINED,
        Blame.CALLEE,
    ),
    "unavailable": ({"sip_code": 480}, Outcome.NO_ANSWER, Blame.CALLEE),
    "network timeout": ({"sip_code": 408}, Outcome.NO_ANSWER, Blame.CALLEE),
    "terminated": ({"sip_code": 487}, Outcome.NO_ANSWER, Blame.CALLEE),
    "ringing timeout": ({"answer_after": 90}, Outcome.NO_ANSWER, Blame.CALLEE),
    "ringing timeout, rare race": (
        ends("failed_precondition", "context deadline exceeded"),
        Outcome.NO_ANSWER,
        Blame.CALLEE,
    ),
    "not found": ({"sip_code": 404}, Outcome.INVALID_NUMBER, Blame.CALLEE),
    "not found, in Twilio's words": (
        {"sip_code": 404, "headers": {"X-Twilio-Error": "13224 Invalid phone number"}},
        Outcome.INVALID_NUMBER,
        Blame.CALLEE,
    ),
    "exists nowhere": ({"sip_code": 604}, Outcome.INVALID_NUMBER, Blame.CALLEE),
    "gone": ({"sip_code": 410}, Outcome.INVALID_NUMBER, Blame.CALLEE),
    "incomplete": ({"sip_code": 484}, Outcome.INVALID_NUMBER, Blame.CALLEE),
    "ambiguous": ({"sip_code": 485}, Outcome.INVALID_NUMBER, Blame.CALLEE),
    "bad request": ({"sip_code": 400}, Outcome.INVALID_NUMBER, Blame.CALLEE),
    "bad request, no phrase": (
        {"sip_code": 400, "phrase": ""},
        Outcome.INVALID_NUMBER,
        Blame.CALLEE,
    ),
    "forbidden": ({"sip_code": 403}, Outcome.TRUNK_ERROR, Blame.CARRIER),
    "payment required": ({"sip_code": 402}, Outcome.TRUNK_ERROR, Blame.CARRIER),
    "credentials asked for (401)": ({"sip_code": 401}, Outcome.TRUNK_ERROR, Blame.TRUNK),
    "credentials asked for (407)": ({"sip_code": 407}, Outcome.TRUNK_ERROR, Blame.TRUNK),
    "wrong credentials": (
        ends("failed_precondition", "max auth retry attempts reached for SIP invite"),
        Outcome.TRUNK_ERROR,
        Blame.TRUNK,
    ),
    "codec": ({"sip_code": 488}, Outcome.TRUNK_ERROR, Blame.CARRIER),
    "SDP": (
        ends("failed_precondition", "no common audio codec in SDP"),
        Outcome.TRUNK_ERROR,
        Blame.CARRIER,
    ),
    "server error": ({"sip_code": 500}, Outcome.CARRIER_ERROR, Blame.CARRIER),
    "bad gateway": ({"sip_code": 502}, Outcome.CARRIER_ERROR, Blame.CARRIER),
    "out of channels": ({"sip_code": 503}, Outcome.CARRIER_ERROR, Blame.CARRIER),
    "gateway timeout": ({"sip_code": 504}, Outcome.CARRIER_ERROR, Blame.CARRIER),
    "calls per second": (
        {"sip_code": 503, "phrase": "Trunk CPS limit exceeded. Region: us1"},
        Outcome.THROTTLED,
        Blame.CAPACITY,
    ),
    "no such host": (
        ends("invalid_argument", "lookup sip.nowhere.example: no such host"),
        Outcome.TRUNK_ERROR,
        Blame.CARRIER,
    ),
    "refused by the carrier's host": (
        ends("failed_precondition", "dial tcp: connection refused"),
        Outcome.CARRIER_ERROR,
        Blame.CARRIER,
    ),
    "carrier silent": (
        ends("canceled", "transaction failed to complete (0 intermediate responses)"),
        Outcome.CARRIER_ERROR,
        Blame.CARRIER,
    ),
    "no SIP worker": (
        {"twirp": {"code": "unavailable", "msg": "no response from servers"}},
        Outcome.CARRIER_ERROR,
        Blame.PLATFORM,
    ),
    "overloaded": (
        {"twirp": {"code": "unavailable", "msg": "cpu exhausted"}},
        Outcome.CARRIER_ERROR,
        Blame.PLATFORM,
    ),
    "RPC deadline": (ends("deadline_exceeded", "request timed out"), Outcome.UNKNOWN, Blame.DOUBT),
    "quota": (
        {"twirp": {"code": "resource_exhausted", "msg": "rate limit exceeded"}},
        Outcome.THROTTLED,
        Blame.CAPACITY,
    ),
    "LiveKit itself": (
        {"twirp": {"code": "internal", "msg": "internal error"}},
        Outcome.UNKNOWN,
        Blame.DOUBT,
    ),
}
NUMBERS = {name: f"+1202555{number:04d}" for number, name in enumerate(ROWS, start=1000)}


@pytest.fixture(scope="module")
def carrier() -> Iterator[RunningSandbox]:
    with sandbox_server.start(speed=20) as box:
        box.set_behaviours({NUMBERS[name]: behaviour for name, (behaviour, _, _) in ROWS.items()})
        yield box


async def ring(box: RunningSandbox, to: str, settings: LazySettings) -> DialResult:
    """Dial the number through a trunk of the sandbox."""
    settings.LIVEKIT_URL = box.url
    settings.LIVEKIT_API_KEY = box.api_key
    settings.LIVEKIT_API_SECRET = box.api_secret
    async with session() as livekit:
        wanted = api.SIPOutboundTrunkInfo(
            name="carrier", address="sip.example.com", numbers=["+12025550100"]
        )
        trunk = await livekit.api.sip.create_outbound_trunk(
            api.CreateSIPOutboundTrunkRequest(trunk=wanted)
        )
        name = uuid7().hex
        return await dial(
            livekit,
            DialRequest(
                room=f"vo-{name}",
                identity=f"callee-{name}",
                trunk_id=trunk.sip_trunk_id,
                from_number="+12025550100",
                to_number=to,
                ringing_timeout=30,
                max_call_duration=60,
                expires_at=timezone.now() + timedelta(seconds=60),
            ),
        )


@pytest.mark.parametrize("name", ROWS)
async def test_refusal_off_the_wire_has_its_verdict(
    carrier: RunningSandbox, settings: LazySettings, name: str
) -> None:
    _, outcome, blame = ROWS[name]

    answer = await ring(carrier, NUMBERS[name], settings)

    assert isinstance(answer, DialRefusal)
    verdict = classify(answer)
    assert (verdict.outcome, verdict.blame) == (outcome, blame)
    assert verdict.counts == (blame is Blame.CALLEE)


async def test_answer_off_the_wire_has_the_id_of_its_call(
    carrier: RunningSandbox, settings: LazySettings
) -> None:
    answer = await ring(carrier, "+12025550101", settings)

    assert isinstance(answer, Answered)
    assert answer.sip_call_id.startswith("SCL_")
