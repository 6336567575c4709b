"""The requests of machines get the same answers on the short way as on the long."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.test import Client
from pytest_django import Settings

from accounts.models import Workspace
from telephony.domain import report_tokens
from tests import make
from tests.telephony.calls import livekit
from voiceops.core.ids import uuid7

SHORT_WAY = "telephony.views.machine_requests.MachineRequestsMiddleware"
WEBHOOK = orjson.dumps({"event": "room_started", "id": "EV_1", "room": {"name": "vo-1"}})
HEADERS = {"X-Request-ID": "the-same-one"}
Sender = Callable[[Client, str, str], Any]


def webhook(client: Client, _: str, __: str) -> Any:
    token = {"Authorization": livekit.token(WEBHOOK), **HEADERS}
    kind = "application/webhook+json"
    return client.post("/livekit/webhook", WEBHOOK, content_type=kind, headers=token)


def unsigned_webhook(client: Client, _: str, __: str) -> Any:
    return client.post("/livekit/webhook", WEBHOOK, content_type="text/plain", headers=HEADERS)


def page_of_webhook(client: Client, _: str, __: str) -> Any:
    headers = {**HEADERS, "Accept": "text/html", "Origin": "https://elsewhere.example"}
    return client.get("/livekit/webhook", headers=headers)


def report(client: Client, call_id: str, token: str) -> Any:
    body = {"events": [livekit.reported("agent_joined")]}
    headers = {"Authorization": f"Bearer {token}", **HEADERS}
    return client.post(f"/calls/{call_id}/report", body, "application/json", headers=headers)


def report_with_a_slash(client: Client, call_id: str, token: str) -> Any:
    body: dict[str, Any] = {"events": []}
    headers = {"Authorization": f"Bearer {token}", **HEADERS}
    return client.post(f"/calls/{call_id}/report/", body, "application/json", headers=headers)


def malformed_report(client: Client, call_id: str, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}", **HEADERS}
    return client.post(f"/calls/{call_id}/report", "{", "application/json", headers=headers)


def invalid_report(client: Client, call_id: str, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}", **HEADERS}
    return client.post(f"/calls/{call_id}/report", {}, "application/json", headers=headers)


def report_as_a_form(client: Client, call_id: str, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}", **HEADERS}
    return client.post(f"/calls/{call_id}/report", {"a": 1}, headers=headers)


def head_of_report(client: Client, call_id: str, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}", **HEADERS}
    return client.head(f"/calls/{call_id}/report", headers=headers)


def report_on_another_call(client: Client, _: str, token: str) -> Any:
    return report(client, str(uuid7()), token)


def report_without_a_call(client: Client, _: str, token: str) -> Any:
    return report(client, "", token)


def report_on_a_word(client: Client, _: str, token: str) -> Any:
    return report(client, "nonsense", token)


def report_deeper(client: Client, call_id: str, token: str) -> Any:
    return report(client, f"{call_id}/more", token)


@pytest.mark.parametrize(
    "send",
    [
        webhook,
        unsigned_webhook,
        page_of_webhook,
        report,
        report_with_a_slash,
        malformed_report,
        invalid_report,
        report_as_a_form,
        head_of_report,
        report_on_another_call,
        report_without_a_call,
        report_on_a_word,
        report_deeper,
    ],
)
def test_both_ways_give_the_same_answer(ours: Workspace, settings: Settings, send: Sender) -> None:
    call = make.call(ours)
    arguments = (str(call.pk), report_tokens.mint(call.pk))

    short = send(Client(), *arguments)
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != SHORT_WAY]
    long = send(Client(), *arguments)

    assert (short.status_code, short.content) == (long.status_code, long.content)
    assert dict(short.items()) == dict(long.items())


def test_a_bug_is_answered_as_json(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("telephony.views.agent_reports.apply_report", fail)
    call = make.call(ours)

    response = report(
        Client(raise_request_exception=False), str(call.pk), report_tokens.mint(call.pk)
    )

    assert (response.status_code, response.json()) == (500, {"detail": "Internal server error"})
    assert [record.levelname for record in caplog.records if record.exc_info] == ["ERROR"]


def test_the_short_way_is_above_sessions_and_below_the_errors() -> None:
    names = settings.MIDDLEWARE
    assert (
        names.index(SHORT_WAY) == names.index("voiceops.api.json_errors.JsonErrorsMiddleware") + 1
    )
