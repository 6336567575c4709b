"""The spoken conversations of these tests. They mostly wait, so that several go on at once."""

import asyncio
from collections.abc import Sequence
from typing import Any

from livekit.agents import llm
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS

from voice.journal import Event
from voice.providers.registry import PROVIDERS, Provider
from voice.providers.rules import RuleLLM
from voice.rehearsal.run import rehearse
from voice.rehearsal.script import Rehearsal, Script, Step
from voice.rehearsal.verdict import Result

AT_ONCE = 4
# What a machine that runs other tests beside may add to a time that is promised; the promises
# themselves are measured by `make bench-voice`, alone.
BUSY_MACHINE_SECONDS = 4.0
OPENING = "This is the practice. Does Tuesday suit you?"
MESSAGE = "This is the practice. Please call us back."
GOODBYE = "Thank you very much. Goodbye."
MACHINE_GREETING = "Please leave a message after the tone"
MENU_GREETING = "For sales, press one"
SPOKEN_RULES = [
    {"hears": "yes of course|yes, of course", "says": GOODBYE, "tool": "end_call"},
    {"hears": "press one", "tool": "press", "arguments": {"digits": "1"}},
    {"hears": "who is calling", "says": "The practice of Doctor Bell."},
]
END_CALL_TOOLS = [{"type": "end_call", "name": "end_call"}]
KEYS_TOOL = {"type": "dtmf", "name": "press"}


class LLM(RuleLLM):
    """A model that asks for the end of the call three times in one turn."""

    def chat(self, **options: Any) -> llm.LLMStream:
        return _Insistent(
            self,
            chat_ctx=options["chat_ctx"],
            tools=options.get("tools") or [],
            conn_options=options.get("conn_options", DEFAULT_API_CONNECT_OPTIONS),
        )


class _Insistent(llm.LLMStream):
    async def _run(self) -> None:
        calls = [
            llm.FunctionToolCall(name="end_call", arguments="{}", call_id=f"call-{number}")
            for number in range(3)
        ]
        delta = llm.ChoiceDelta(role="assistant", content=GOODBYE, tool_calls=calls)
        self._event_ch.send_nowait(llm.ChatChunk(id="three", delta=delta))


def agent(**changes: Any) -> dict[str, Any]:
    """Return a configuration of an agent that speaks by itself."""
    return {
        "first_message": OPENING,
        "stt": {"provider": "local", "phrases": ["Hello?"]},
        "llm": {"provider": "local", "rules": SPOKEN_RULES, "otherwise": "Pardon?"},
        "tools": END_CALL_TOOLS,
        **changes,
    }


def human(*lines: str, greeting: str = "Hello?") -> Script:
    return Script("human", steps=tuple(Step(line) for line in lines), greeting=greeting)


def machine(action: str) -> tuple[dict[str, Any], Script]:
    voicemail = {"action": action, "message": MESSAGE}
    script = Script(action, answers="machine", greeting=MACHINE_GREETING)
    return agent(voicemail=voicemail, silence_timeout_seconds=4), script


SCREENING_ANSWER = {"identity": "This is the practice.", "purpose": "It is about an appointment."}
SILENCE = {"remind_after_seconds": 3, "reminders": 1, "text": "Are you still there?"}
CONVERSATIONS: dict[str, tuple[dict[str, Any], Script]] = {
    "greets early": (agent(), human("Who is calling?", greeting="Yes, this is Maria")),
    "hang_up": machine("hang_up"),
    "leave_message": machine("leave_message"),
    "continue": machine("continue"),
    "silent": (
        agent(silence=SILENCE, silence_timeout_seconds=6),
        Script("silent", answers="silence", greeting="", steps=(Step(silence=14.0),)),
    ),
    "ends three times": (agent(llm={"provider": "insistent"}), human("Yes, of course")),
    "menu": (
        agent(tools=[*END_CALL_TOOLS, KEYS_TOOL], silence_timeout_seconds=4),
        Script("menu", answers="machine", greeting=MENU_GREETING, steps=(Step("Who is calling?"),)),
    ),
    "screened": (
        agent(screening={**SCREENING_ANSWER, "give_up_after_seconds": 3}),
        Script("screened", answers="screening", greeting="Please state your name and wait"),
    ),
}


class Spoken:
    """The conversations by name; a result is there when its conversation is over."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Result]] = {}
        self._places = asyncio.Semaphore(AT_ONCE)

    async def result(self, name: str) -> Result:
        """Return what came of one conversation."""
        if not self._tasks:
            PROVIDERS["insistent"] = Provider("insistent", __name__, (), ("llm",))
            self._tasks = {each: asyncio.create_task(self._hold(each)) for each in CONVERSATIONS}
        return await self._tasks[name]

    async def _hold(self, name: str) -> Result:
        config, script = CONVERSATIONS[name]
        async with self._places:
            return await rehearse(Rehearsal(config, {}, "audio", (script,)), script)

    def cancel(self) -> None:
        """Leave what no test has asked for."""
        PROVIDERS.pop("insistent", None)
        for task in self._tasks.values():
            task.cancel()


def turns(events: Sequence[Event], role: str = "agent") -> list[Event]:
    """Return what one of the two said."""
    return [event for event in events if event["type"] == "turn" and event["role"] == role]


def one(result: Result, kind: str) -> Event:
    """Return the only event of a type."""
    [found] = [event for event in result.events if event["type"] == kind]
    return found
