"""A tool of the type `mcp`: a server whose own tools the agent gets, over streamable HTTP."""

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from voice.agent_config import Tool
from voice.conversation.guarded_http import GuardedTransport
from voice.conversation.webhook_tool import MAX_RESULT_CHARACTERS, ToolFailure
from voiceops.core.public_addresses import UNREACHABLE_TEXT, find_url_fault

log = logging.getLogger(__name__)

MAX_SERVER_TOOLS = 64
MAX_LIST_PAGES = 10
MAX_DESCRIPTION_CHARACTERS = 2_000
SERVER_CLOSE_SECONDS = 1.0
# What every provider accepts as the name of a function.
OTHER_THAN_NAME = re.compile(r"[^A-Za-z0-9_-]")
MAX_FUNCTION_NAME_CHARACTERS = 64
CALL_ERRORS = (
    *(MCPError, RuntimeError, httpx2.HTTPError),
    *(anyio.ClosedResourceError, anyio.BrokenResourceError),
)


@dataclass(eq=False)
class McpServer:
    """The connection to one server, for the length of a call; `tool` names it."""

    tool: Tool
    permits_private: bool = False
    # Our name of a function -> the server's.
    _names: dict[str, str] = field(default_factory=dict)
    _client: Client | None = None
    _closing: asyncio.Event = field(default_factory=asyncio.Event)
    _task: "asyncio.Task[None] | None" = None

    async def connect(self) -> list[Tool]:
        """Return the server's tools. Raises ToolFailure."""
        fault = find_url_fault(self.tool.url, permits_private=self.permits_private)
        if fault is not None:
            raise ToolFailure(f"The address of this tool {fault}")
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[list[Tool]] = loop.create_future()
        # The client must be closed by the task that opened it.
        self._task = loop.create_task(self._run(ready))
        try:
            async with asyncio.timeout(self.tool.timeout_seconds):
                return await asyncio.shield(ready)
        except TimeoutError as error:
            self._task.cancel()
            raise ToolFailure(self._late_text()) from error

    async def _run(self, ready: "asyncio.Future[list[Tool]]") -> None:
        http = httpx2.AsyncClient(
            transport=GuardedTransport(permits_private=self.permits_private),
            headers=dict(self.tool.headers),
            timeout=None,
        )
        try:
            async with (
                http,
                Client(streamable_http_client(self.tool.url, http_client=http)) as client,
            ):
                tools = await self._list(client)
                self._client = client
                if not ready.done():
                    ready.set_result(tools)
                await self._closing.wait()
        except Exception as error:  # noqa: BLE001 - whatever a foreign server makes its client raise
            log.warning("The MCP server %s failed: %s", self.tool.name, type(error).__name__)
            if not ready.done():
                ready.set_exception(ToolFailure(f"The other system {UNREACHABLE_TEXT}"))
        finally:
            self._client = None
            ready.cancel()

    async def _list(self, client: Client) -> list[Tool]:
        cursor: str | None = None
        found: list[Tool] = []
        for _ in range(MAX_LIST_PAGES):
            page = await client.list_tools(cursor=cursor)
            for item in page.tools[: MAX_SERVER_TOOLS - len(found)]:
                name = OTHER_THAN_NAME.sub("_", item.name)[:MAX_FUNCTION_NAME_CHARACTERS]
                self._names[name] = item.name
                description = (item.description or "")[:MAX_DESCRIPTION_CHARACTERS]
                tool = replace(self.tool, name=name, parameters=item.input_schema)
                found.append(replace(tool, description=description))
            cursor = page.next_cursor
            if cursor is None or len(found) >= MAX_SERVER_TOOLS:
                break
        return found

    async def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Return what one of the server's tools answers. Raises ToolFailure."""
        if self._client is None:
            raise ToolFailure("The other system is not connected any more")
        try:
            async with asyncio.timeout(self.tool.timeout_seconds):
                result = await self._client.call_tool(self._names.get(name, name), dict(arguments))
        except TimeoutError as error:
            raise ToolFailure(self._late_text()) from error
        except CALL_ERRORS as error:
            raise ToolFailure(
                f"The other system failed: {error}"[:MAX_RESULT_CHARACTERS]
            ) from error
        parts = [part.text for part in result.content if part.type == "text"]
        if not parts and result.structured_content is not None:
            parts = [json.dumps(result.structured_content, ensure_ascii=False)]
        text = "\n".join(parts)[:MAX_RESULT_CHARACTERS]
        if result.is_error:
            raise ToolFailure(text or "The other system failed")
        return text or "Done"

    def _late_text(self) -> str:
        return f"There was no answer within {self.tool.timeout_seconds:g} seconds"

    async def close(self) -> None:
        """Take leave of the server, within bounds."""
        if self._task is None:
            return
        self._closing.set()
        await asyncio.wait({self._task}, timeout=SERVER_CLOSE_SECONDS)
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=SERVER_CLOSE_SECONDS)
