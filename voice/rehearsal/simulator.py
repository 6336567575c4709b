"""The model of a rehearsal: it plays callees by instructions, and answers what is asked about a
conversation. It is not the agent's, although it may be the same.
"""

import asyncio
import json
import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from livekit.agents import APIError, llm

from voice.agent_config import AgentConfig
from voice.conversation.analysis import AnalysisError, Question, analyse
from voice.conversation.talk import Talk
from voice.journal import Event
from voice.providers.errors import ProviderError
from voice.providers.local_whisper import WHISPER_MODEL
from voice.providers.registry import BASE_URL, default_provider, make_one
from voice.rehearsal.script import Rehearsal, Script, Step

# Of one request to the model.
SIMULATOR_SECONDS = 20.0
SIMULATED_SILENCE_SECONDS = 10.0
HANGS_UP = re.compile(r"\[hangs? up\]", re.IGNORECASE)
STAGE_DIRECTION = re.compile(r"\[[^\]]*\]|^\"|\"$")
CALLEE_PROMPT = (
    "You play a person who is called on the telephone by {agent}. You are the one who is called, "
    "not the caller. This is who you are, and what you want:\n\n{instructions}\n\nAnswer with "
    "what you say next and nothing else: one or two short spoken sentences, without markup. "
    "When there is nothing left to say, or you want to end the call, add [hangs up]. Answer "
    "[silent] alone to say nothing."
)
SILENT_AGENT = "(There is silence on the line.)"
Play = Callable[[Step], Awaitable[Any]]


class NoSimulatorError(Exception):
    """A script that cannot be played here, in one sentence."""


def make_simulator(
    rehearsal: Rehearsal, script: Script, config: AgentConfig, mode: str
) -> "llm.LLM[Any]":
    """Return the model: the rehearsal's, else the agent's unless that is one of rules, else that of
    `VOICE_OPENAI_BASE_URL`. Raises NoSimulatorError.
    """
    what = "`instructions`" if script.instructions else "`judge`"
    if mode == "audio" and script.instructions and _hears_phrases(config):
        raise NoSimulatorError(
            f"A callee with `instructions` may say anything, and the ears of this agent know "
            f"phrases only: rehearse it in text, or with the model {WHISPER_MODEL} of `stt`"
        )
    own = {name: value for name, value in config.llm.items() if name != "fallbacks"}
    has_own = str(own.get("provider") or default_provider()) != "local"
    server = {"provider": "openai_compatible"} if os.environ.get(BASE_URL) else {}
    options = rehearsal.simulator or (own if has_own else server)
    if not options:
        raise NoSimulatorError(
            f"{what} needs a model that is not of rules: name one in `simulator` of the scripts, "
            f"or set {BASE_URL} for the worker"
        )
    try:
        model: llm.LLM[Any] = make_one("llm", options, config)
    except ProviderError as error:
        raise NoSimulatorError(f"{what} needs a model: {error}") from error
    if model.provider == "local":
        raise NoSimulatorError(f"{what} needs a model that is not of rules")
    return model


def _hears_phrases(config: AgentConfig) -> bool:
    is_local = str(config.stt.get("provider") or default_provider()) == "local"
    return is_local and config.stt.get("model") != WHISPER_MODEL


async def converse(model: "llm.LLM[Any]", script: Script, talk: Talk, play: Play) -> list[str]:
    """Let the model play the callee until the call is over, within the script's bounds.

    Returns what went wrong.
    """
    try:
        async with asyncio.timeout(script.max_seconds):
            for _ in range(script.max_turns):
                for step in await _next_steps(model, script, talk):
                    if _is_over(talk):
                        return []
                    await play(step)
                if _is_over(talk):
                    return []
    except TimeoutError:
        return [f"the call was not over after {script.max_seconds:g} seconds"]
    except APIError as error:
        return [f"the model that plays the callee failed: {error.message}"]
    return [f"the call was not over after {script.max_turns} turns of the callee"]


def _is_over(talk: Talk) -> bool:
    return talk.over.done() or talk.ending is not None


async def _next_steps(model: "llm.LLM[Any]", script: Script, talk: Talk) -> list[Step]:
    context = llm.ChatContext()
    name = talk.config.name or "somebody"
    prompt = CALLEE_PROMPT.format(agent=name, instructions=script.instructions)
    context.add_message(role="system", content=prompt)
    turns = talk.journal.of_type("turn")
    for turn in turns:
        context.add_message(
            role="assistant" if turn["role"] == "callee" else "user", content=str(turn["text"])
        )
    if not turns or turns[-1]["role"] == "callee":
        context.add_message(role="user", content=SILENT_AGENT)
    async with asyncio.timeout(SIMULATOR_SECONDS):
        answer = (await model.chat(chat_ctx=context).collect()).text
    return read_answer(answer)


def read_answer(answer: str) -> list[Step]:
    """Return what the callee does, from the model's words."""
    text = STAGE_DIRECTION.sub("", answer.strip()).strip()
    steps = [Step(text=text)] if text else []
    if HANGS_UP.search(answer):
        steps.append(Step(hangs_up=True))
    return steps or [Step(silence=SIMULATED_SILENCE_SECONDS)]


async def assess(
    model: "llm.LLM[Any]", criteria: Sequence[str], events: Sequence[Event]
) -> list[str]:
    """Return for each criterion that a conversation does not meet a sentence with the reason."""
    question = Question(
        has_summary=False,
        fields={f"criterion_{at}": _schema_of(text) for at, text in enumerate(criteria, start=1)},
    )
    try:
        async with asyncio.timeout(2 * SIMULATOR_SECONDS):
            answer = await analyse(question, _transcript_of(events), model)
    except (AnalysisError, APIError, TimeoutError) as error:
        reason = str(error) or "it did not answer in time"
        return [f"the model that was asked about the conversation failed: {reason}"]
    verdicts = [answer["fields"][name] for name in question.fields]
    return [
        f"not met: {text}: {verdict['reason']}"
        for text, verdict in zip(criteria, verdicts, strict=True)
        if not verdict["met"]
    ]


def _schema_of(criterion: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": f"Whether this is true of the conversation: {criterion}",
        "properties": {"met": {"type": "boolean"}, "reason": {"type": "string"}},
        "required": ["met", "reason"],
    }


def _transcript_of(events: Sequence[Event]) -> list[Mapping[str, Any]]:
    """Return what was said and done, as the analysis reads it."""
    lines: list[Mapping[str, Any]] = []
    for event in events:
        if event["type"] == "turn":
            lines.append(event)
        elif event["type"] == "tool_call":
            used = f"{event['name']} {json.dumps(event['arguments'], ensure_ascii=False)}"
            lines.append({"role": "tool used by the agent", "text": used})
    return lines
