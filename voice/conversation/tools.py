"""The agent's tools, as functions that its model may call.

Each call is reported with what it was asked, what came of it and how long it took. What fails comes
back to the model in words, and the conversation goes on.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from livekit.agents import RunContext, function_tool, llm

from voice.agent_config import Tool
from voice.conversation.webhook_tool import ToolFailure, WebhookTool
from voice.journal import Journal
from voice.lines.line import Line, Transfer

KEYS = re.compile(r"[0-9*#A-Dw]{1,32}")
NUMBER = re.compile(r"\+[1-9]\d{6,14}")
# Arguments whose value is not repeated in reports.
SECRET_ARGUMENT = re.compile(
    r"pass(word|code|phrase)|secret|token|\bpin\b|cvv|cvc|card|iban|ssn|api_?key", re.IGNORECASE
)
MASK = "********"
# The names under which VoiceOps knows the tool; it is reported as the first.
OPT_OUT_NAMES = ("opt_out", "do_not_call")
OPT_OUT = OPT_OUT_NAMES[0]
MAX_REPORTED_RESULT = 2_000
SERVED_TYPES = ("webhook", "end_call", "transfer_call", "dtmf", "opt_out")
TRANSFER_SECONDS = 45.0  # the ringing of the target, and LiveKit's answer

Arguments = Mapping[str, Any]
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


@dataclass
class Toolbox:
    """Makes functions of tools. `mocks` replace what tools do, by name, in rehearsals."""

    talk: Talk
    call_id: str = ""
    permits_private: bool = False
    mocks: Mapping[str, Any] | None = None
    _running: set[str] = field(default_factory=set)

    def functions(self, tools: tuple[Tool, ...]) -> list[llm.Tool | llm.Toolset]:
        """Return a function for each tool that this worker serves, and report the others."""
        served = [tool for tool in tools if tool.type in SERVED_TYPES]
        for tool in tools:
            if tool not in served:
                text = f"The tool {tool.name} is of a type that this worker does not serve"
                self.talk.journal.add("error", part="tools", text=f"{text}: {tool.type}")
        return [self._function(tool) for tool in served]

    def _function(self, tool: Tool) -> llm.Tool:
        action = self._action(tool)
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
            "transfer_call": _Transfer(tool, self.talk).run,
        }
        if self.mocks is not None and tool.type == "webhook":
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
            self._report(tool, context, arguments, str(failure), began, failed=True)
            raise llm.ToolError(str(failure)) from failure
        finally:
            self.talk.resume_limits()
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


@dataclass(frozen=True)
class _Transfer:
    """The cold transfer of one tool: to its destinations only, if it has some."""

    tool: Tool
    talk: Talk

    async def run(self, arguments: Arguments, context: "RunContext[Any]") -> str | None:
        """Raises ToolFailure with the reason for which the talk goes on."""
        number = self._number(arguments)
        # The callee must hear where they are being put through before they are.
        await context.wait_for_playout()
        try:
            async with asyncio.timeout(TRANSFER_SECONDS):
                result = await self.talk.line.transfer(number)
        except TimeoutError:
            result = Transfer(succeeded=False, text="the other side did not answer in time")
        status = "transferred" if result.succeeded else "failed"
        self.talk.journal.add(
            "transfer", to=number, status=status, sip_status_code=result.sip_status_code
        )
        if not result.succeeded:
            reason = result.text or "it was refused"
            raise ToolFailure(f"The transfer did not succeed: {reason}. The callee is still here")
        self.talk.end_after(context, "transferred")
        return None

    def _number(self, arguments: Arguments) -> str:
        """Raises ToolFailure when no number, or one that is not allowed, was asked for."""
        wanted = next(
            (str(arguments[key]) for key in ("destination", "number", "to") if arguments.get(key)),
            "",
        )
        allowed = {
            str(item.get("name")): str(item.get("number")) for item in self.tool.destinations
        }
        if allowed and not wanted and len(allowed) == 1:
            return next(iter(allowed.values()))
        number = allowed.get(wanted, wanted)
        if allowed and number not in allowed.values():
            raise ToolFailure(f"Only these can be transferred to: {', '.join(allowed)}")
        if not NUMBER.fullmatch(number):
            raise ToolFailure("A transfer needs a number such as +12025550123")
        return number


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


def without_secrets(value: Any) -> Any:
    """Return arguments for a report: values under names of secrets are masked."""
    if isinstance(value, Mapping):
        return {
            name: MASK if SECRET_ARGUMENT.search(str(name)) else without_secrets(inner)
            for name, inner in value.items()
        }
    return [without_secrets(item) for item in value] if isinstance(value, list) else value
