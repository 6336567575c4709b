"""A tool that asks another system: one POST, to a public address, with a time limit.

The system receives `{"tool", "arguments", "call_id"}` as JSON, and its answer's text goes to the
model. What its headers hold is sent to it alone: no report, log line or prompt has it.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp

from voice.agent_config import Tool
from voice.conversation.guarded_http import guarded_session
from voiceops.core.public_addresses import UNREACHABLE_TEXT, find_url_fault

MAX_ANSWER_BYTES = 64 * 1024
MAX_RESULT_CHARACTERS = 8_000


class ToolFailure(Exception):
    """A tool that could not do what it was asked to, in words for the model."""


@dataclass(frozen=True)
class WebhookTool:
    """`permits_private`: addresses of this network may be called, as on a developer's machine."""

    tool: Tool
    call_id: str = ""
    permits_private: bool = False

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """Return the system's answer. Raises ToolFailure."""
        fault = find_url_fault(self.tool.url, permits_private=self.permits_private)
        if fault is not None:
            raise ToolFailure(f"The address of this tool {fault}")
        try:
            # aiohttp's own limit does not count the time in which a name is resolved.
            async with asyncio.timeout(self.tool.timeout_seconds):
                return await self._post(arguments)
        except TimeoutError as error:
            seconds = f"{self.tool.timeout_seconds:g}"
            raise ToolFailure(f"There was no answer within {seconds} seconds") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ToolFailure(f"The other system {UNREACHABLE_TEXT}") from error

    async def _post(self, arguments: Mapping[str, Any]) -> str:
        body = {"tool": self.tool.name, "arguments": dict(arguments), "call_id": self.call_id}
        async with (
            guarded_session(permits_private=self.permits_private) as session,
            # A redirect could lead to a private address, and would carry the headers along.
            session.post(
                self.tool.url, json=body, headers=dict(self.tool.headers), allow_redirects=False
            ) as response,
        ):
            content = await response.content.read(MAX_ANSWER_BYTES)
            if not 200 <= response.status < 300:
                raise ToolFailure(f"The other system answered {response.status}")
            return _readable(content)


def _readable(content: bytes) -> str:
    text = content.decode(errors="replace").strip()
    # What is no JSON stays as it came.
    with suppress(ValueError):
        text = json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    return text[:MAX_RESULT_CHARACTERS] or "Done"
