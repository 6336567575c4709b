"""Which requests are read ahead: those of machines that are exactly as they should be."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from pytest_django import Settings

from accounts.models import Workspace
from telephony.domain import report_tokens
from telephony.models import Call, InboxEvent
from telephony.services.agent_reports import Report
from telephony.views.foresight import MACHINE_REQUEST, foresee
from tests import make
from tests.telephony.calls import livekit

ALIVE = orjson.dumps({"events": [livekit.reported("agent_alive")]})


def request(path: str, body: bytes, **headers: str | None) -> bytes:
    """Return a request as a socket has received it. A header that is None is left out."""
    lines = {
        "Host": "localhost:8000",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def report(
    call: Call, body: bytes = ALIVE, headers: Mapping[str, str | None] | None = None
) -> bytes:
    token = {"Authorization": f"Bearer {report_tokens.mint(call.pk)}"}
    return request(f"/calls/{call.pk}/report", body, **{**token, **(headers or {})})


def webhook(event: dict[str, Any], **headers: str | None) -> bytes:
    body = orjson.dumps(event)
    return request("/livekit/webhook", body, **{"Authorization": livekit.token(body), **headers})


@pytest.fixture
def call(ours: Workspace) -> Call:
    return make.call(ours)


def test_a_report_is_foreseen(call: Call) -> None:
    sent = report(call)

    found = foresee(sent)

    assert found is not None
    assert (found.path, found.body, found.goes_on) == (f"/calls/{call.pk}/report", ALIVE, None)
    assert isinstance(found.item, Report)
    assert (found.item.call_id, found.item.is_only_life) == (call.pk, True)
    assert MACHINE_REQUEST.match(sent)


def test_a_webhook_is_foreseen_and_one_that_changes_nothing_needs_no_storing(call: Call) -> None:
    callee = livekit.callee(call)
    joined = foresee(webhook(livekit.event("participant_joined", call, participant=callee)))
    started = foresee(webhook(livekit.event("room_started", call)))

    assert joined is not None
    assert started is not None
    assert isinstance(joined.item, InboxEvent)
    assert (joined.item.event, joined.item.room) == ("participant_joined", call.room)
    assert started.item is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": None},
        {"Authorization": "Bearer nonsense"},
        {"Content-Type": "text/plain"},
        {"Content-Length": None},
        {"Content-Length": str(len(ALIVE) + 1)},
        {"content-length": str(len(ALIVE))},  # a second one
        {"Transfer-Encoding": "chunked"},
        {"Expect": "100-continue"},
        {"Host": "elsewhere.example"},
    ],
)
def test_an_unusual_report_takes_its_turn(
    call: Call, settings: Settings, headers: dict[str, str | None]
) -> None:
    assert foresee(report(call, headers=headers)) is None


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{}",
        b'{"events": []}',
        ALIVE.replace(b'"id":"', b'"id":"\\u0000'),
        orjson.dumps({"events": [livekit.reported("disposition", name="won")]}),
    ],
)
def test_a_report_that_is_refused_or_may_wait_takes_its_turn(call: Call, body: bytes) -> None:
    assert foresee(report(call, body)) is None


def test_what_is_on_its_way_or_follows_another_takes_its_turn(call: Call) -> None:
    sent = report(call)

    assert foresee(sent[:-1]) is None
    assert foresee(sent + sent) is None
    assert foresee(sent.replace(b"POST", b"PUT")) is None
    assert foresee(sent.replace(b"/report", b"/transcript")) is None
    assert foresee(report(call).replace(b"HTTP/1.1", b"HTTP/1.0")) is None


def test_unsigned_and_inbound_webhooks_take_their_turn(call: Call) -> None:
    event = livekit.event("participant_joined", call, participant=livekit.callee(call))
    inbound = livekit.event("participant_joined", f"in-{call.pk}_1", participant={"kind": "SIP"})

    assert foresee(webhook(event, Authorization=livekit.token(b"another body"))) is None
    assert foresee(webhook(inbound)) is None


@pytest.mark.parametrize("path", ["/calls", "/calls/1/hangup", "/calls/1/report/2", "/agents"])
def test_requests_of_others_are_not_looked_into(path: str) -> None:
    assert MACHINE_REQUEST.match(request(path, b"{}")) is None
