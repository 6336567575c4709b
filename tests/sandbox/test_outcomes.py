"""The answers of CreateSIPParticipant: LiveKit's error table, and the last two digits."""

from typing import Any

import pytest
from livekit import api

from tests import sandbox_server
from tests.sandbox.calling import dial, invite, make_trunk
from tests.sandbox.clients import livekit

NUMBER = "+12025550101"


async def refused(
    box: sandbox_server.RunningSandbox, number: str = NUMBER, **fields: Any
) -> api.ServerError:
    with pytest.raises(api.ServerError) as error:
        await dial(box, number, **fields)
    return error.value


def details(error: api.ServerError) -> tuple[int | None, str, int, str]:
    return getattr(error, "sip_status_code", None), error.code, error.status, error.message


@pytest.mark.parametrize(
    ("sip_code", "code", "status", "message"),
    [
        (400, "invalid_argument", 400, "INVITE failed: sip status: 400: Bad Request"),
        (
            402,
            "permission_denied",
            403,
            "unexpected status from INVITE response: sip status: 402: Payment Required",
        ),
        (
            403,
            "permission_denied",
            403,
            "unexpected status from INVITE response: sip status: 403: Forbidden",
        ),
        (404, "not_found", 404, "INVITE failed: sip status: 404: Not Found"),
        (
            408,
            "deadline_exceeded",
            408,
            "unexpected status from INVITE response: sip status: 408: Request Timeout",
        ),
        (410, "not_found", 404, "unexpected status from INVITE response: sip status: 410: Gone"),
        (480, "resource_exhausted", 429, "INVITE failed: sip status: 480: Temporarily Unavailable"),
        (
            484,
            "invalid_argument",
            400,
            "unexpected status from INVITE response: sip status: 484: Address Incomplete",
        ),
        (
            485,
            "invalid_argument",
            400,
            "unexpected status from INVITE response: sip status: 485: Ambiguous",
        ),
        (486, "resource_exhausted", 429, "INVITE failed: sip status: 486: Busy Here"),
        (
            487,
            "aborted",
            409,
            "unexpected status from INVITE response: sip status: 487: Request Terminated",
        ),
        (488, "invalid_argument", 400, "INVITE failed: sip status: 488: Not Acceptable Here"),
        (
            500,
            "failed_precondition",
            412,
            "unexpected status from INVITE response: sip status: 500: Server Internal Error",
        ),
        (
            503,
            "failed_precondition",
            412,
            "unexpected status from INVITE response: sip status: 503: Service Unavailable",
        ),
        (
            504,
            "deadline_exceeded",
            408,
            "unexpected status from INVITE response: sip status: 504: Server Time-out",
        ),
        (
            600,
            "resource_exhausted",
            429,
            "unexpected status from INVITE response: sip status: 600: Busy Everywhere",
        ),
        (
            603,
            "permission_denied",
            403,
            "unexpected status from INVITE response: sip status: 603: Decline",
        ),
        (
            604,
            "not_found",
            404,
            "unexpected status from INVITE response: sip status: 604: Does Not Exist Anywhere",
        ),
        (
            607,
            "permission_denied",
            403,
            "unexpected status from INVITE response: sip status: 607: Unwanted",
        ),
        (
            608,
            "permission_denied",
            403,
            "unexpected status from INVITE response: sip status: 608: Rejected",
        ),
    ],
)
async def test_sip_refusal_has_livekits_message(
    sip_code: int, code: str, status: int, message: str
) -> None:
    with sandbox_server.start() as box:
        box.set_behaviours({NUMBER: {"sip_code": sip_code}})

        error = await refused(box)

    assert isinstance(error, api.SipCallError)
    assert details(error) == (sip_code, code, status, message)
    assert sorted(error.metadata) == ["error_details", "sip_status", "sip_status_code"]
    assert error.sip_status == message.rpartition(": ")[2]


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        ("canceled", 408, "sip request timed out"),
        ("failed_precondition", 412, "context deadline exceeded"),
        ("failed_precondition", 412, "SDP error: no common codec"),
        ("invalid_argument", 400, "lookup sip.example.invalid: no such host"),
        ("failed_precondition", 412, "dial tcp 192.0.2.1:5060: connect: connection refused"),
        ("canceled", 408, "transaction failed to complete (0 intermediate responses)"),
        ("deadline_exceeded", 408, "request timed out"),
        ("resource_exhausted", 429, "quota exceeded"),
    ],
)
async def test_failure_without_a_sip_status_has_no_sip_metadata(
    code: str, status: int, message: str
) -> None:
    with sandbox_server.start() as box:
        box.set_behaviours({NUMBER: {"failure": {"code": code, "msg": message}}})

        error = await refused(box)
        dials = box.dials()

    assert type(error) is api.ServerError
    assert details(error) == (None, code, status, message)
    assert error.metadata == {}
    assert len(dials) == 1


@pytest.mark.parametrize("code", ["unavailable", "resource_exhausted", "internal"])
async def test_twirp_refusal_sends_no_invite(code: str) -> None:
    with sandbox_server.start() as box:
        box.set_behaviours({NUMBER: {"twirp": {"code": code, "msg": "no response from servers"}}})

        error = await refused(box)

        assert (error.code, error.message) == (
            code,
            "no response from servers",
        )
        assert box.dials() == []


async def test_carrier_block_of_twilio_reads_like_a_decline() -> None:
    with sandbox_server.start() as box:
        box.set_behaviours(
            {NUMBER: {"sip_code": 603, "headers": {"X-Twilio-Error": "32203 Call blocked"}}}
        )

        error = await refused(box)

    assert details(error) == (
        603,
        "permission_denied",
        403,
        "sip status: 603: Decline",
    )


async def test_twilios_explanation_replaces_the_reason_phrase() -> None:
    with sandbox_server.start() as box:
        box.set_behaviours(
            {NUMBER: {"sip_code": 404, "headers": {"X-Twilio-Error": "13224 Invalid phone number"}}}
        )

        error = await refused(box)

    assert isinstance(error, api.SipCallError)
    assert error.sip_status == "13224 Invalid phone number"


async def test_empty_reason_phrase_becomes_the_enum_name() -> None:
    with sandbox_server.start() as box:
        box.set_behaviours({NUMBER: {"sip_code": 400, "phrase": ""}})

        error = await refused(box)

    assert isinstance(error, api.SipCallError)
    assert (error.sip_status_code, error.sip_status) == (400, "SIP_STATUS_BAD_REQUEST")


async def test_cps_limit_is_a_5xx_with_the_carriers_phrase() -> None:
    with sandbox_server.start() as box:
        box.set_behaviours(
            {NUMBER: {"sip_code": 500, "phrase": "Trunk CPS limit exceeded. Region: us1"}}
        )

        error = await refused(box)

    assert isinstance(error, api.SipCallError)
    assert (error.status, error.sip_status) == (412, "Trunk CPS limit exceeded. Region: us1")


@pytest.mark.parametrize(
    ("credentials", "message"),
    [
        ({}, "sip server required auth, but no username or password was provided"),
        (
            {"auth_username": "u", "auth_password": "p"},
            "max auth retry attempts reached for SIP invite",
        ),
    ],
)
@pytest.mark.parametrize("sip_code", [401, 407])
async def test_challenge_fails_depending_on_the_trunks_credentials(
    credentials: dict[str, str], message: str, sip_code: int
) -> None:
    with sandbox_server.start() as box:
        box.set_behaviours({NUMBER: {"sip_code": sip_code}})
        async with livekit(box) as lk:
            trunk = await make_trunk(lk, **credentials)

            with pytest.raises(api.ServerError) as error:
                await lk.sip.create_sip_participant(invite(trunk, NUMBER), timeout=10)

    assert details(error.value) == (
        None,
        "failed_precondition",
        412,
        message,
    )


TABLE: dict[range, Any] = {
    range(55): "answered",
    range(55, 60): "answered",
    range(60, 70): (None, "canceled"),
    range(70, 75): (486, "resource_exhausted"),
    range(75, 80): "answered",
    range(80, 85): (603, "permission_denied"),
    range(85, 90): (404, "not_found"),
    range(90, 95): (503, "failed_precondition"),
    range(95, 98): "answered",
    range(98, 99): (607, "permission_denied"),
}


@pytest.mark.parametrize(
    "last", [0, 33, 54, 55, 59, 60, 69, 70, 74, 75, 79, 80, 84, 85, 89, 90, 94, 95, 97, 98]
)
async def test_last_two_digits_decide_the_outcome(last: int) -> None:
    expected = next(outcome for digits, outcome in TABLE.items() if last in digits)
    with sandbox_server.start(speed=400) as box:
        try:
            answer: Any = await dial(box, f"+120255501{last:02d}")
            outcome: Any = "answered" if answer.sip_call_id else None
        except api.ServerError as error:
            outcome = details(error)[:2]

    assert outcome == expected


async def test_unanswered_call_is_480_when_our_timeout_is_longer_than_the_networks() -> None:
    with sandbox_server.start(speed=400) as box:
        answer = await refused(
            box, "+12025550165", ringing_timeout=invite("", "").max_call_duration
        )

    assert details(answer)[:2] == (480, "resource_exhausted")


async def test_carrier_is_out_of_channels_for_the_first_dial_only() -> None:
    with sandbox_server.start(speed=400) as box:
        first = await refused(box, "+12025550192")
        second = await dial(box, "+12025550192", room_name="room-2")
        box.clear_dials()
        third = await refused(box, "+12025550192", room_name="room-3")

    assert (details(first)[0], bool(second.sip_call_id), details(third)[0]) == (503, True, 503)


async def test_first_answer_for_99_never_arrives_but_the_callee_talks() -> None:
    with sandbox_server.start(speed=400) as box:
        with pytest.raises(Exception, match="Server disconnected"):
            await dial(box, "+12025550199")
        box.wait_for(lambda: box.calls()[0]["status"] == "ended")
        again = await dial(box, "+12025550199", room_name="room-2")
        calls = box.calls()

    assert bool(again.sip_call_id)
    assert (len(calls), calls[0]["sip_status_code"]) == (2, 200)
    assert calls[0]["answered_at"] is not None
