"""The agent as its model sees it: its prompt, its tools, and the turns that it answers."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from livekit.agents import Agent, StopResponse, UserTurnExceededEvent, llm

from voice.agent_config import AgentConfig

TELEPHONE = (
    "You are on a telephone call: your words are spoken. Use short sentences, no lists and no "
    "markup, and write numbers as they are spoken. Speak the language {language}. It is {moment}."
)
UNAVAILABLE = "These systems cannot be reached during this call: {names}."


class Persona(Agent):
    """`holds_turn(text, metrics)` returns whether a turn of the callee stays without an answer, and
    `holds_turns` whether every turn does now.
    """

    def __init__(
        self,
        config: AgentConfig,
        *,
        tools: list[llm.Tool | llm.Toolset],
        holds_turn: Callable[[str, Mapping[str, Any]], bool],
        holds_turns: Callable[[], bool],
    ) -> None:
        super().__init__(instructions=instructions(config), tools=tools)
        self._holds_turn = holds_turn
        self._holds_turns = holds_turns

    async def on_user_turn_completed(
        self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage
    ) -> None:
        """Raises StopResponse for a turn that stays in the context, but is not answered."""
        text = new_message.text_content or ""
        if self._holds_turn(text, new_message.metrics):
            await self.add_turn(text)
            raise StopResponse

    async def on_user_turn_exceeded(self, ev: UserTurnExceededEvent) -> None:
        """Cut in on music and on who speaks without an end, where turns are answered at all."""
        if not self._holds_turns():
            await super().on_user_turn_exceeded(ev)

    async def add_turn(self, text: str) -> None:
        """Put words of the callee into the context, without an answer to them."""
        await self._add("user", text)

    async def add_tools(self, tools: Sequence[llm.Tool], missing: Sequence[str]) -> None:
        """Give the model more tools, and tell it which ones it will not get."""
        if tools:
            await self.update_tools([*self.tools, *tools])
        if missing:
            await self._add("system", UNAVAILABLE.format(names=", ".join(missing)))

    async def _add(self, role: llm.ChatRole, text: str) -> None:
        context = self.chat_ctx.copy()
        context.add_message(role=role, content=text)
        await self.update_chat_ctx(context)


def instructions(config: AgentConfig, now: datetime | None = None) -> str:
    """Return the agent's prompt, with what every agent on a telephone has to know."""
    moment = now or datetime.now(_zone(config.variables))
    telephone = TELEPHONE.format(
        language=config.language, moment=moment.strftime("%A, %d %B %Y, %H:%M %Z").strip()
    )
    return f"{config.system_prompt}\n\n{telephone}".strip()


def _zone(variables: Any) -> ZoneInfo:
    """Return the callee's time zone where a variable names one, else UTC."""
    try:
        return ZoneInfo(str(variables.get("timezone") or "UTC"))
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
