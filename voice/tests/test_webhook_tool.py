"""Webhook tools: public addresses only, no redirects, a time limit, and secrets for them alone."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from voice.agent_config import Tool
from voice.conversation.secrets import without_secrets
from voice.conversation.webhook_tool import ToolFailure, WebhookTool


def webhook(url: str, *, permits_private: bool = False, **options: Any) -> WebhookTool:
    tool = Tool(type="webhook", name="book", url=url, headers={"X-Key": "sesame"}, **options)
    return WebhookTool(tool, "call-1", permits_private)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://127.0.0.1/", "must be public"),
        ("https://169.254.169.254/latest/meta-data", "must be public"),
        ("https://[::1]/", "must be public"),
        ("https://0x7f.1/", "must be public"),
        ("http://practice.example.com/", "must be an https address"),
        ("https://user:password@practice.example.com/", "must not carry credentials"),
        ("https://practice.example.com:22/", "must use port 443 or 8443"),
    ],
)
async def test_other_addresses_are_refused(url: str, fault: str) -> None:
    with pytest.raises(ToolFailure, match=f"^The address of this tool {fault}$"):
        await webhook(url).run({})


async def test_a_name_that_leads_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.8", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)

    with pytest.raises(ToolFailure, match=r"^The other system could not be reached$"):
        await webhook("https://rebinding.example.com/").run({})


class Practice:
    """Another system on this machine."""

    def __init__(self) -> None:
        self.requests: list[tuple[Any, str | None]] = []

    async def book(self, request: web.Request) -> web.Response:
        self.requests.append((await request.json(), request.headers.get("X-Key")))
        return web.json_response({"booked": True})

    async def redirect(self, request: web.Request) -> web.Response:
        raise web.HTTPFound("/book")

    async def hang(self, request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async def long(self, request: web.Request) -> web.Response:
        return web.Response(text="x" * 1_000_000)


@pytest.fixture
async def practice() -> AsyncIterator[tuple[Practice, TestServer]]:
    system = Practice()
    application = web.Application()
    for name in ("book", "redirect", "hang", "long"):
        application.router.add_post(f"/{name}", getattr(system, name))
    server = TestServer(application)
    async with server:
        yield system, server


async def test_the_model_gets_the_answer(practice: tuple[Practice, TestServer]) -> None:
    system, server = practice
    tool = webhook(str(server.make_url("/book")), permits_private=True)

    assert await tool.run({"day": "Friday"}) == '{"booked":true}'
    assert system.requests == [
        ({"tool": "book", "arguments": {"day": "Friday"}, "call_id": "call-1"}, "sesame")
    ]


async def test_a_redirect_is_not_followed(practice: tuple[Practice, TestServer]) -> None:
    system, server = practice

    with pytest.raises(ToolFailure, match=r"^The other system answered 302$"):
        await webhook(str(server.make_url("/redirect")), permits_private=True).run({})
    assert system.requests == []


async def test_a_system_that_hangs_is_left(practice: tuple[Practice, TestServer]) -> None:
    _, server = practice
    tool = webhook(str(server.make_url("/hang")), permits_private=True, timeout_seconds=0.3)

    with pytest.raises(ToolFailure, match=r"^There was no answer within 0.3 seconds$"):
        await tool.run({})


async def test_a_long_answer_is_cut(practice: tuple[Practice, TestServer]) -> None:
    _, server = practice
    tool = webhook(str(server.make_url("/long")), permits_private=True)

    assert len(await tool.run({})) == 8_000


def test_arguments_that_sound_like_secrets_are_masked_in_reports() -> None:
    arguments = {"day": "Friday", "pin": "1234", "payment": [{"card_number": "4111", "sum": 3}]}

    assert without_secrets(arguments) == {
        "day": "Friday",
        "pin": "********",
        "payment": [{"card_number": "********", "sum": 3}],
    }
