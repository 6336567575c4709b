"""The MCP server: a tool for everything that can be read, and one for every action."""

import asyncio
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from voiceops._generated.reads import READS
from voiceops.assistant.actions import ACTIONS, Action
from voiceops.assistant.tokens import LIFETIME_SECONDS, PreviewTokens
from voiceops.client import AsyncVoiceOps
from voiceops.errors import VoiceOpsError
from voiceops.requests import Request
from voiceops.resources import path

TOKEN_ARGUMENT = "preview_token"  # noqa: S105  # the name of an argument
# Longer answers would fill an assistant's memory; lists have pages, and filters.
MOST_CHARACTERS = 60_000
INSTRUCTIONS = f"""VoiceOps calls lists of recipients with AI voice agents.

Tools ending in _list, _get and the like read. The others act: called without {TOKEN_ARGUMENT} they
change nothing, and return what they would do, with a token. Show that to the user, and call again
with the same arguments and the token only if the user agrees. A token is good once, for
{LIFETIME_SECONDS / 60:.0f} minutes.
"""


class Assistant:
    """The tools, over one client."""

    def __init__(self, voiceops: AsyncVoiceOps, tokens: PreviewTokens | None = None) -> None:
        self.voiceops = voiceops
        self.tokens = tokens or PreviewTokens()
        self.reads = {read["name"]: read for read in READS}
        self.actions = {action.name: action for action in ACTIONS}

    def tools(self) -> list[types.Tool]:
        reads = [
            types.Tool(
                name=read["name"],
                description=read["text"],
                input_schema=read["schema"],
                annotations=types.ToolAnnotations(read_only_hint=True),
            )
            for read in READS
        ]
        return reads + [_action_tool(action) for action in ACTIONS]

    async def call(self, name: str, arguments: Mapping[str, Any]) -> types.CallToolResult:
        """Return the answer of a tool; a refusal is an answer as well, marked as an error."""
        try:
            text = await self._call(name, dict(arguments))
        except VoiceOpsError as error:
            return _result(str(error), is_error=True)
        return _result(text)

    async def _call(self, name: str, arguments: dict[str, Any]) -> str:
        """Raises VoiceOpsError for an unknown tool, wrong arguments, and what the API refuses."""
        if name in self.reads:
            _check_names(arguments, self.reads[name]["schema"])
            return await self._read(self.reads[name], arguments)
        if name in self.actions:
            token = arguments.pop(TOKEN_ARGUMENT, None)
            _check_names(arguments, _action_tool(self.actions[name]).input_schema)
            return await self._act(self.actions[name], arguments, token)
        raise VoiceOpsError(f"There is no tool {name}")

    async def _read(self, read: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
        ids = {name: arguments[name] for name in read["schema"]["required"]}
        query = {name: value for name, value in arguments.items() if name not in ids}
        request = Request("GET", path(read["path"], **ids), query, accept="*/*")
        return (await self.voiceops.send(request)).text

    async def _act(self, action: Action, arguments: dict[str, Any], token: str | None) -> str:
        """Preview the action, or carry it out when the token is one of its preview."""
        preview = await action.preview(self.voiceops, arguments)
        if token is None:
            issued = self.tokens.issue(action.name, arguments, preview.facts)
            return (
                f"Nothing has been done yet. {action.name} would do this:\n{preview.summary}\n"
                f"To do it, call {action.name} again with the same arguments and "
                f"{TOKEN_ARGUMENT}: {issued}"
            )
        self.tokens.spend(token, action.name, arguments, preview.facts)
        return (await action.perform(self.voiceops, arguments)).to_json(indent=2)


def serve(voiceops: AsyncVoiceOps) -> None:
    """Serve on standard input and output until the assistant closes them."""
    asyncio.run(_serve(voiceops))


async def _serve(voiceops: AsyncVoiceOps) -> None:
    assistant = Assistant(voiceops)

    async def list_tools(context: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=assistant.tools())

    async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        return await assistant.call(params.name, params.arguments or {})

    server = Server(
        "voiceops",
        version=version("voiceops"),
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    async with voiceops, stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


def _action_tool(action: Action) -> types.Tool:
    token = {"type": "string", "description": "from the preview; without it nothing is changed"}
    return types.Tool(
        name=action.name,
        description=f"{action.text} Without {TOKEN_ARGUMENT}: a preview, which changes nothing.",
        input_schema={
            "type": "object",
            "properties": {**action.properties, TOKEN_ARGUMENT: token},
            "required": list(action.required),
            "additionalProperties": False,
        },
        annotations=types.ToolAnnotations(read_only_hint=False, destructive_hint=True),
    )


def _check_names(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Raises VoiceOpsError for arguments that are missing or unknown."""
    missing = [name for name in schema["required"] if arguments.get(name) in (None, "")]
    unknown = [name for name in arguments if name not in schema["properties"]]
    if missing or unknown:
        wrong = [f"{name} is missing" for name in missing]
        wrong += [f"{name} is unknown" for name in unknown]
        raise VoiceOpsError(f"{', '.join(wrong)}. Arguments: {', '.join(schema['properties'])}")


def _result(text: str, *, is_error: bool = False) -> types.CallToolResult:
    if len(text) > MOST_CHARACTERS:
        text = (
            f"{text[:MOST_CHARACTERS]}\n… cut after {MOST_CHARACTERS} of {len(text)} characters: "
            "ask for a smaller page, or filter"
        )
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], is_error=is_error
    )
