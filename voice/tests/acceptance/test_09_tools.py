"""Webhook tools reach public addresses only, keep their secrets, and end in time."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from voice.agent_config import AgentConfig
from voice.tests.acceptance.conversations import BUSY_MACHINE_SECONDS
from voice.tests.talks import of_type, talk_in_text, texts

Config = Callable[..., AgentConfig]
TOOL_CREDENTIAL = "sesame-4711"


def tool(url: str, **options: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {TOOL_CREDENTIAL}"}
    return {"type": "webhook", "name": "move", "url": url, "secret_headers": headers, **options}


@pytest.fixture
async def practice() -> AsyncIterator[TestServer]:
    """Another system. It sends back what it was sent, redirects, or hangs."""

    async def echo(request: web.Request) -> web.Response:
        return web.json_response({"seen": request.headers["Authorization"]})

    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPFound("http://169.254.169.254/latest/meta-data")

    async def hang(request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    application = web.Application()
    for name, handler in (("echo", echo), ("redirect", redirect), ("hang", hang)):
        application.router.add_post(f"/{name}", handler)
    server = TestServer(application)
    async with server:
        yield server


@pytest.mark.parametrize(
    ("url", "result"),
    [
        ("https://127.0.0.1/move", "The address of this tool must be public"),
        ("https://169.254.169.254/move", "The address of this tool must be public"),
        ("https://inside.example.com/move", "The other system could not be reached"),
    ],
)
async def test_addresses_inside_are_refused_and_the_talk_goes_on(
    url: str, result: str, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)

    talk = await talk_in_text(config(tools=[tool(url)]), ["How about Friday?"])

    [call] = of_type(talk.journal.events, "tool_call")
    assert (call["result"], call["failed"]) == (result, True)
    assert texts(talk.journal.events)[-1] == ("agent", "That did not work.")


async def test_a_redirect_to_an_address_inside_is_not_followed(
    practice: TestServer, config: Config
) -> None:
    url = str(practice.make_url("/redirect"))
    talk = await talk_in_text(
        config(tools=[tool(url)]), ["How about Friday?"], permits_private=True
    )

    [call] = of_type(talk.journal.events, "tool_call")
    assert call["result"] == "The other system answered 302"


async def test_a_secret_is_in_no_report_no_log_and_no_prompt(
    practice: TestServer, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = str(practice.make_url("/echo"))
    talk = await talk_in_text(
        config(tools=[tool(url)]), ["How about Friday?"], permits_private=True
    )

    [call] = of_type(talk.journal.events, "tool_call")
    assert call["result"] == '{"seen":"********"}'
    prompt = str(talk.agent.instructions) + str(talk.agent.chat_ctx.to_dict())
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    for text in (str(talk.journal.events), prompt, logged):
        assert TOOL_CREDENTIAL not in text


async def test_a_tool_that_hangs_is_left_in_time_and_the_callee_hears_of_it(
    practice: TestServer, config: Config
) -> None:
    tools = [tool(str(practice.make_url("/hang")), timeout_seconds=0.3)]
    talk = await talk_in_text(config(tools=tools), ["How about Friday?"], permits_private=True)

    [call] = [event for event in talk.journal.events if event["type"] == "tool_call"]
    assert call["result"] == "There was no answer within 0.3 seconds"
    assert 0.3 <= call["seconds"] <= 1.0 + BUSY_MACHINE_SECONDS
    assert texts(talk.journal.events)[-1] == ("agent", "That did not work.")
