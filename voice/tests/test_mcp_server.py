"""Tools of an MCP server: through the guard, bounded in time, with secrets kept."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn
from aiohttp import web
from aiohttp.test_utils import TestServer
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from voice.agent_config import AgentConfig
from voice.tests.talks import of_type, talk_in_text, texts

Config = Callable[..., AgentConfig]
TOOL_CREDENTIAL = "sesame-4711"
SERVER_RULES = [
    {
        "hears": r"order (\d+)",
        "tool": "find_order",
        "arguments": {"number": r"\1"},
        "then": "I have found it.",
        "else": "I can not find it.",
    },
    {"hears": "broken", "tool": "fail", "then": "It works.", "else": "That did not work."},
    {"hears": "wait", "tool": "hang", "then": "It works.", "else": "It takes too long."},
    {"hears": "who", "tool": "echo_key", "then": "I know you."},
    {"hears": "move", "tool": "crm_move", "then": "Moved by the server."},
]


def make_server() -> MCPServer:
    """Another company's server."""
    server = MCPServer("crm")

    @server.tool()
    async def find_order(number: str) -> str:
        """Find an order by its number."""
        return f"Order {number} is on its way"

    @server.tool()
    async def fail() -> str:
        """Always fail."""
        raise ToolError("no such customer")

    @server.tool()
    async def hang() -> str:
        """Never answer."""
        await asyncio.sleep(30)
        return ""

    @server.tool()
    async def echo_key(ctx: Context) -> str:
        """Send back how one was addressed."""
        return str(dict(ctx.headers or {}).get("authorization"))

    @server.tool()
    async def move() -> str:
        """Has the name of a tool that the agent has already."""
        return "moved"

    return server


@pytest.fixture
async def url() -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = uvicorn.Config(make_server().streamable_http_app(), port=port, log_level="error")
    server = uvicorn.Server(options)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    yield f"http://127.0.0.1:{port}/mcp"
    server.should_exit = True
    server.force_exit = True
    await task


def tools(url: str, **options: Any) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {TOOL_CREDENTIAL}"}
    server = {"type": "mcp", "name": "crm", "url": url, "secret_headers": headers, **options}
    return [server, {"type": "webhook", "name": "move", "url": "https://practice.example.com/"}]


def llm() -> dict[str, Any]:
    return {"provider": "local", "rules": SERVER_RULES, "otherwise": "Pardon?"}


async def test_its_tools_are_listed_and_called(url: str, config: Config) -> None:
    talk = await talk_in_text(
        config(tools=tools(url), llm=llm()), ["My order 17?"], permits_private=True
    )

    assert texts(talk.journal.events)[-1] == ("agent", "I have found it.")
    assert of_type(talk.journal.events, "tool_call") == [
        {
            "type": "tool_call",
            "name": "find_order",
            "arguments": {"number": "17"},
            "result": "Order 17 is on its way",
            "failed": False,
        }
    ]
    assert of_type(talk.journal.events, "error") == []


async def test_of_two_equal_names_one_gets_its_servers_in_front(url: str, config: Config) -> None:
    talk = await talk_in_text(config(tools=tools(url), llm=llm()), ["move"], permits_private=True)

    [call] = of_type(talk.journal.events, "tool_call")
    assert (call["name"], call["result"]) == ("crm_move", "moved")


async def test_the_model_hears_of_a_tool_that_fails_or_hangs(url: str, config: Config) -> None:
    talk = await talk_in_text(
        config(tools=tools(url, timeout_seconds=1.5), llm=llm()),
        ["It is broken", "Please wait"],
        permits_private=True,
    )

    failed, hung = of_type(talk.journal.events, "tool_call")
    assert "no such customer" in failed["result"]
    assert hung["result"] == "There was no answer within 1.5 seconds"
    assert [failed["failed"], hung["failed"]] == [True, True]
    sentences = [text for role, text in texts(talk.journal.events) if role == "agent"]
    assert sentences[-2:] == ["That did not work.", "It takes too long."]


async def test_its_credential_is_in_no_report_no_log_and_no_prompt(
    url: str, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    talk = await talk_in_text(
        config(tools=tools(url), llm=llm()), ["Who am I?"], permits_private=True
    )

    [call] = of_type(talk.journal.events, "tool_call")
    assert call["result"] == "********"
    prompt = str(talk.agent.instructions) + str(talk.agent.chat_ctx.to_dict())
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    for text in (str(talk.journal.events), prompt, logged):
        assert TOOL_CREDENTIAL not in text


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("https://127.0.0.1/mcp", "crm: The address of this tool must be public"),
        ("http://mcp.example.com/mcp", "crm: The address of this tool must be an https address"),
        ("https://inside.example.com/mcp", "crm: The other system could not be reached"),
    ],
)
async def test_addresses_inside_are_refused_and_the_talk_goes_on_without(
    address: str, text: str, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.8", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)

    talk = await talk_in_text(config(tools=tools(address), llm=llm()), ["Hello"])

    assert of_type(talk.journal.events, "error") == [
        {"type": "error", "part": "tools", "provider": "crm", "text": text, "fallback": True}
    ]
    assert texts(talk.journal.events)[-1] == ("agent", "Pardon?")
    sentence = "These systems cannot be reached during this call: crm."
    assert sentence in str(talk.agent.chat_ctx.to_dict())


async def test_a_redirect_elsewhere_is_not_followed(config: Config) -> None:
    asked: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPTemporaryRedirect("http://169.254.169.254/mcp")

    application = web.Application()
    application.router.add_route("*", "/mcp", redirect)
    async with TestServer(application) as server:
        address = str(server.make_url("/mcp"))
        talk = await talk_in_text(
            config(tools=tools(address, timeout_seconds=2), llm=llm()),
            ["Hello"],
            permits_private=True,
        )

    assert set(asked) == {"/mcp"}
    assert of_type(talk.journal.events, "error")[0]["part"] == "tools"
    assert texts(talk.journal.events)[-1] == ("agent", "Pardon?")


async def test_a_server_that_hangs_does_not_hold_the_call_up(config: Config) -> None:
    async def hang(request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    application = web.Application()
    application.router.add_route("*", "/mcp", hang)
    async with TestServer(application) as server:
        address = str(server.make_url("/mcp"))
        talk = await talk_in_text(
            config(tools=tools(address, timeout_seconds=0.5), llm=llm()),
            ["Hello"],
            permits_private=True,
        )

    [error] = of_type(talk.journal.events, "error")
    assert error["text"] == "crm: There was no answer within 0.5 seconds"
