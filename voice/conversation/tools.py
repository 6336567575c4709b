"""The agent's tools, as functions that its model may call.

Each call is reported with what it was asked, what came of it and how long it took. What fails comes
back to the model in words, and the conversation goes on.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from livekit.agents import RunContext, function_tool, llm

from voice.agent_config import Tool
from voice.conversation.mcp_server import McpServer
from voice.conversation.secrets import mask_headers, without_secrets
from voice.conversation.transfer_tool import Arguments, TransferTool
from voice.conversation.webhook_tool import ToolFailure, WebhookTool
from voice.journal import Journal
from voice.lines.line import KEYS, Line

# The names under which VoiceOps knows the tool; it is reported as the first.
OPT_OUT_NAMES = ("opt_out", "do_not_call")
OPT_OUT = OPT_OUT_NAMES[0]
MAX_REPORTED_RESULT = 2_000
SERVED_TYPES = ("webhook", "end_call", "transfer_call", "dtmf", "mcp", "opt_out")
# What other systems answer, and a rehearsal in their stead.
ASKING_TYPES = ("webhook", "mcp")

Action = Callable[[Arguments, "RunContext[Any]"], Awaitable["str | None"]]


class Talk(Protocol):
    """What tools need of the conversation that they are part of."""

    line: Line
    journal: Journal

    def end_after(self, context: "RunContext[Any]", reason: str, farewell: str = "") -> bool:
        """End the call once what is being said is over. Returns False when it ends already."""

    def pause_limits(self) -> None: ...

    def resume_limits(self) -> None: ...

    async def deliver_reports(self) -> None:
        """Wait until everything reported so far is stored, within bounds."""

    def speak_soon(self, text: str) -> None:
        """Say something while a tool runs."""

    def hand_over(self) -> None:
        """Fall silent: the callee talks with somebody else now."""


@dataclass
class Toolbox:
    """Makes functions of tools. `mocks` replace what other systems answer, by name, in
    rehearsals.
    """

    talk: Talk
    call_id: str = ""
    permits_private: bool = False
    mocks: Mapping[str, Any] | None = None
    _servers: list[McpServer] = field(default_factory=list)

    def functions(self, tools: tuple[Tool, ...]) -> list[llm.Tool | llm.Toolset]:
        """Return a function for each tool that this worker serves, and report the others."""
        served = [tool for tool in tools if tool.type in SERVED_TYPES]
        for tool in tools:
            if tool not in served:
                text = f"The tool {tool.name} is of a type that this worker does not serve"
                self._report_fault(tool, f"{text}: {tool.type}")
        servers = [tool for tool in served if tool.type == "mcp"]
        own: list[llm.Tool | llm.Toolset] = [
            self._function(tool, self._action(tool)) for tool in served if tool not in servers
        ]
        if self.mocks is None:
            self._servers = [McpServer(tool, self.permits_private) for tool in servers]
            return own
        # No server is asked in a rehearsal: it has the tools that the script answers for.
        known = {tool.name for tool in tools}
        names = [name for name in self.mocks if servers and name not in known]
        played = [replace(servers[0], name=name, parameters={"type": "object"}) for name in names]
        return [*own, *(self._function(tool, self._mock(tool.name)) for tool in played)]

    @property
    def has_servers(self) -> bool:
        """Whether some of the tools are still to be asked for."""
        return bool(self._servers)

    async def connect(self, own: Iterable[Tool]) -> tuple[list[llm.Tool], list[str]]:
        """Return the functions of the MCP servers beside the agent's own tools, and the names of
        the servers that failed.
        """
        listed = await asyncio.gather(*(self._list(server) for server in self._servers))
        used = {tool.name for tool in own}
        functions, missing = [], []
        for server, tools in zip(self._servers, listed, strict=True):
            if tools is None:
                missing.append(server.tool.name)
            for tool in tools or []:
                # Of two tools with one name, the later has its server's name in front.
                name = tool.name if tool.name not in used else f"{server.tool.name}_{tool.name}"
                if name not in used:
                    used.add(name)
                    action = _server_action(server, tool.name)
                    functions.append(self._function(replace(tool, name=name), action))
        return functions, missing

    async def _list(self, server: McpServer) -> list[Tool] | None:
        try:
            return await server.connect()
        except ToolFailure as failure:
            self._report_fault(server.tool, f"{server.tool.name}: {failure}")
            return None

    async def close(self) -> None:
        """Take leave of the MCP servers."""
        await asyncio.gather(*(server.close() for server in self._servers))

    def _report_fault(self, tool: Tool, text: str) -> None:
        self.talk.journal.add("error", part="tools", provider=tool.name, text=text, fallback=True)

    def _function(self, tool: Tool, action: Action) -> llm.Tool:
        schema = {
            "name": tool.name,
            "description": tool.description or DESCRIPTIONS.get(effect_of(tool), ""),
            "parameters": dict(tool.parameters) or default_parameters(tool),
        }

        async def call(raw_arguments: dict[str, Any], context: "RunContext[Any]") -> str | None:
            return await self._call(tool, action, raw_arguments, context)

        return function_tool(call, raw_schema=schema)

    def _action(self, tool: Tool) -> Action:
        actions: dict[str, Action] = {
            "end_call": self._end_call,
            "opt_out": self._opt_out,
            "dtmf": self._press_keys,
            "transfer_call": TransferTool(tool, self.talk).run,
        }
        if self.mocks is not None and tool.type in ASKING_TYPES:
            return self._mock(tool.name)
        webhook = WebhookTool(tool, self.call_id, self.permits_private)

        async def ask(arguments: Arguments, context: "RunContext[Any]") -> str:
            return await webhook.run(arguments)

        return actions.get(effect_of(tool), ask)

    async def _call(
        self, tool: Tool, action: Action, arguments: Arguments, context: "RunContext[Any]"
    ) -> str | None:
        """Raises ToolError with the words of a failure, which the model reads."""
        began = time.monotonic()
        self.talk.pause_limits()
        if tool.speech_while_running:
            self.talk.speak_soon(tool.speech_while_running)
        try:
            result = await action(arguments, context)
        except ToolFailure as failure:
            text = mask_headers(str(failure), tool.headers)
            self._report(tool, context, arguments, text, began, failed=True)
            raise llm.ToolError(text) from failure
        finally:
            self.talk.resume_limits()
        result = result and mask_headers(result, tool.headers)
        # An opt-out has been reported by itself, before the callee is answered.
        if effect_of(tool) != OPT_OUT:
            self._report(tool, context, arguments, result, began, failed=False)
        return result

    def _report(
        self,
        tool: Tool,
        context: "RunContext[Any]",
        arguments: Arguments,
        result: str | None,
        began: float,
        *,
        failed: bool,
    ) -> None:
        self.talk.journal.add(
            "tool_call",
            name=tool.name,
            arguments=without_secrets(arguments),
            result=(result or "")[:MAX_REPORTED_RESULT],
            call_id=context.function_call.call_id,
            seconds=round(time.monotonic() - began, 3),
            failed=failed,
        )

    def _mock(self, name: str) -> Action:
        async def answer(arguments: Arguments, context: "RunContext[Any]") -> str:
            """Raises ToolFailure for a tool without an answer."""
            mocks = self.mocks or {}
            if name not in mocks:
                raise ToolFailure("This rehearsal has no answer for the tool")
            if isinstance(mocks[name], Mapping) and "error" in mocks[name]:
                raise ToolFailure(str(mocks[name]["error"]))
            result = mocks[name]
            return str(result.get("result", "Done") if isinstance(result, Mapping) else result)

        return answer

    async def _end_call(self, arguments: Arguments, context: "RunContext[Any]") -> str | None:
        farewell = str(arguments.get("farewell") or "")
        self.talk.end_after(context, "agent_hangup", farewell)
        # Without an answer the model is not asked again, so that it cannot hang up for ever.
        return None

    async def _opt_out(self, arguments: Arguments, context: "RunContext[Any]") -> str:
        """Report it, wait until it is stored, and only then let the agent take its leave."""
        self.talk.journal.add("tool_call", name=OPT_OUT, arguments=without_secrets(arguments))
        await self.talk.deliver_reports()
        self.talk.end_after(context, "agent_hangup")
        return "The number will not be called again. Confirm that, and take your leave."

    async def _press_keys(self, arguments: Arguments, context: "RunContext[Any]") -> str:
        """Raises ToolFailure when the keys are none of a telephone's."""
        digits = str(arguments.get("digits") or "")
        if not KEYS.fullmatch(digits):
            raise ToolFailure("Only 0 to 9, *, #, A to D and w (a pause) can be pressed")
        await self.talk.line.send_digits(digits)
        return f"Pressed {digits}"


def _server_action(server: McpServer, name: str) -> Action:
    async def ask(arguments: Arguments, context: "RunContext[Any]") -> str:
        return await server.call(name, arguments)

    return ask


DESCRIPTIONS = {
    "end_call": "End the call. Take your leave in the same turn, before you use it.",
    "opt_out": "The callee does not want to be called again.",
    "dtmf": "Press keys of the telephone.",
    "transfer_call": "Put the callee through to somebody else.",
}


def effect_of(tool: Tool) -> str:
    """Return what a tool does: its type, but a call that ends under the name of an opt-out is one.

    VoiceOps knows opt-outs by name, and agents have been written so.
    """
    return OPT_OUT if tool.type == "end_call" and tool.name in OPT_OUT_NAMES else tool.type


def default_parameters(tool: Tool) -> dict[str, Any]:
    """Return the JSON Schema of a tool that declares none."""
    text = {"type": "string"}
    names = [str(item.get("name")) for item in tool.destinations]
    properties: dict[str, dict[str, Any]] = {
        "end_call": {"farewell": {**text, "description": "a last sentence, if none was said"}},
        "dtmf": {"digits": text},
        "transfer_call": {"destination": {**text, "enum": names}} if names else {"number": text},
    }.get(effect_of(tool), {})
    return {"type": "object", "properties": properties}
