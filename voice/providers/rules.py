"""A model of rules: regular expressions on what was said last, and what follows.

It needs no key, answers at once, and always in the same way: for the demo agent, rehearsals in CI,
and tests. `llm: {provider: "local", rules: [...], otherwise: "..."}`; a rule is an object with

    hears      a regular expression, searched in the callee's words without regard to case
    says       what the agent answers
    tool       the tool that the agent uses, with `arguments`; \\1 is the expression's first group
    then       what the agent says when the tool has succeeded
    else       what it says when the tool has failed
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from livekit.agents import APIConnectOptions, llm, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, NotGivenOr

from voice.providers.errors import ProviderError

OTHERWISE = "I am sorry, I did not understand that. Could you repeat it?"


@dataclass(frozen=True)
class Rule:
    hears: re.Pattern[str]
    speech: str = ""
    tool: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    success: str = ""
    failure: str = ""


@dataclass(frozen=True)
class Reply:
    """What the model answers: words, a tool, or both."""

    speech: str = ""
    tool: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


def read_rules(items: Sequence[Any]) -> tuple[Rule, ...]:
    """Return the rules of a configuration. Raises ProviderError at the first that is wrong."""
    return tuple(_read_rule(number, item) for number, item in enumerate(items, start=1))


def _read_rule(number: int, item: Any) -> Rule:
    if not isinstance(item, Mapping) or not isinstance(item.get("hears"), str):
        raise ProviderError(f"Rule {number} of the local model has no `hears`")
    try:
        pattern = re.compile(item["hears"], re.IGNORECASE)
    except re.error as error:
        raise ProviderError(f"Rule {number} of the local model: {error}") from error
    arguments = item.get("arguments")
    return Rule(
        hears=pattern,
        speech=str(item.get("says") or ""),
        tool=str(item.get("tool") or ""),
        arguments=arguments if isinstance(arguments, Mapping) else {},
        success=str(item.get("then") or ""),
        failure=str(item.get("else") or ""),
    )


class RuleLLM(llm.LLM[Any]):
    """Answers by the first rule that fits; `otherwise` when none does."""

    def __init__(self, *, rules: Sequence[Rule] = (), otherwise: str = OTHERWISE) -> None:
        super().__init__()
        self.rules = tuple(rules)
        self.otherwise = otherwise

    @property
    def model(self) -> str:
        return "rules"

    @property
    def provider(self) -> str:
        return "local"

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        parallel_tool_calls: NotGivenOr[bool] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
        extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,
    ) -> llm.LLMStream:
        return _Answer(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)

    def reply_to(self, context: llm.ChatContext) -> Reply:
        """Return what follows on the conversation so far."""
        items = [item for item in context.items if item.type != "agent_handoff"]
        output = items[-1] if items and items[-1].type == "function_call_output" else None
        rule, match = self._rule_for(_last_words(context))
        if output is not None:
            if rule is None:
                return Reply()
            return Reply(rule.failure if output.is_error else rule.success)
        if rule is None or match is None:
            return Reply(self.otherwise)
        arguments = {name: _expand(value, match) for name, value in rule.arguments.items()}
        return Reply(_expand(rule.speech, match), rule.tool, arguments)

    def _rule_for(self, words: str) -> tuple[Rule | None, re.Match[str] | None]:
        for rule in self.rules:
            if match := rule.hears.search(words):
                return rule, match
        return None, None


class _Answer(llm.LLMStream):
    async def _run(self) -> None:
        model = self._llm
        assert isinstance(model, RuleLLM)
        reply = model.reply_to(self._chat_ctx)
        request_id = utils.shortuuid("rules_")
        calls = []
        if reply.tool:
            calls.append(
                llm.FunctionToolCall(
                    name=reply.tool,
                    arguments=json.dumps(dict(reply.arguments), ensure_ascii=False),
                    call_id=utils.shortuuid("call_"),
                )
            )
        if reply.speech or calls:
            delta = llm.ChoiceDelta(
                role="assistant", content=reply.speech or None, tool_calls=calls
            )
            self._event_ch.send_nowait(llm.ChatChunk(id=request_id, delta=delta))


def _last_words(context: llm.ChatContext) -> str:
    messages = (item for item in reversed(context.items) if item.type == "message")
    return next((item.text_content or "" for item in messages if item.role == "user"), "")


def _expand(value: Any, match: re.Match[str]) -> Any:
    """Replace \\1 to \\9 in a text by the groups that matched."""
    if not isinstance(value, str):
        return value
    return re.sub(r"\\([1-9])", lambda group: _group(match, int(group[1])), value)


def _group(match: re.Match[str], number: int) -> str:
    return (match[number] or "") if number <= (match.re.groups or 0) else ""
