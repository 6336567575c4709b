"""Rehearses one script with an agent, in text or in sound, without network and media server."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
from livekit.agents import AgentSession, llm
from livekit.agents.testing import fake_job_context

from agents.prompts import render
from voice.agent_config import AgentConfig, read_agent
from voice.clock import VirtualClock
from voice.conversation.persona import Persona
from voice.conversation.talk import Talk
from voice.journal import Event, Journal
from voice.lines.line import MemoryLine
from voice.providers.local_ears import PhraseRecognizer, spoken_form, word_errors
from voice.providers.local_voice import LocalTTS
from voice.providers.registry import make_parts
from voice.providers.sound import (
    HEARING_RATE,
    SPEAKING_RATE,
    Samples,
    resample,
    through_telephone,
)
from voice.rehearsal.caller import Ear, Mouth
from voice.rehearsal.script import DEFAULT_GREETING, Rehearsal, Script, Step
from voice.rehearsal.simulator import NoSimulatorError, assess, converse, make_simulator
from voice.rehearsal.verdict import (
    Result,
    agent_turns,
    script_failures,
    step_failures,
)

# Seconds.
PAUSE_BEFORE_SPEAKING = 0.4
MAX_ANSWER_WAIT = 15.0
MAX_END_WAIT = 8.0
CONVERSATION_POLL_SECONDS = 0.05


def complete(agent: Mapping[str, Any], *given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables with the agent's defaults for those that are missing."""
    values: dict[str, Any] = {
        item["name"]: item.get("default") or "" for item in agent.get("variables") or []
    }
    for more in given:
        values.update(more)
    return values


async def rehearse(
    rehearsal: Rehearsal, script: Script, *, mode: str | None = None, by_telephone: bool = True
) -> Result:
    """Return what came of one run of a script; one that needs a model where there is none is not
    run. Raises ProviderError when the agent cannot be built here.
    """
    variables = complete(rehearsal.agent, rehearsal.variables, script.variables)
    config = read_agent(rehearsal.agent, variables)
    script = replace(script, instructions=render(script.instructions, variables))
    mode = mode or rehearsal.mode
    began, cpu = time.monotonic(), time.process_time()
    with fake_job_context():
        try:
            model = make_simulator(rehearsal, script, config, mode) if script.needs_model else None
        except NoSimulatorError as error:
            return Result(script.label, script.tags, [], "", not_run=str(error))
        if mode == "text":
            result = await _InText(config, script, model).run()
        else:
            result = await _InSound(config, script, model, by_telephone).run()
        result.failures.extend(script_failures(script, result))
        # What can be checked for certain comes first, and costs nothing.
        if model is not None and script.criteria and not result.failures:
            result.failures.extend(await assess(model, script.criteria, result.events))
    result.seconds = round(time.monotonic() - began, 3)
    result.cpu_seconds = round(time.process_time() - cpu, 3)
    return result


def _finish(script: Script, journal: Journal, reason: str, failures: list[str]) -> Result:
    return Result(script.label, script.tags, journal.events, reason, failures)


async def _start_in_text(session: "AgentSession[Any]", agent: Persona) -> None:
    await session.start(agent, record=False)


@dataclass
class _InText:
    """A conversation in text, on a clock that costs nothing."""

    config: AgentConfig
    script: Script
    model: "llm.LLM[Any] | None" = None
    failures: list[str] = field(default_factory=list)
    step_starts: list[int] = field(default_factory=list)

    async def run(self) -> Result:
        journal = Journal()
        line = MemoryLine(transfers=dict(self.script.transfers))
        talk = Talk(
            self.config,
            make_parts(self.config, has_sound=False),
            line,
            journal,
            _start_in_text,
            clock=VirtualClock(),
            has_sound=False,
            mocks=self.script.tools,
        )
        try:
            if self.script.greeting:
                await talk.hear_greeting(self.script.greeting)
            await talk.begin()
            for step in self.script.steps:
                if not await self._play(step, talk, line):
                    break
            if self.model is not None and self.script.instructions:
                play = partial(self._play, talk=talk, line=line)
                self.failures.extend(await converse(self.model, self.script, talk, play))
            if talk.ending is not None:
                await talk.over
        finally:
            reason = talk.over.result() if talk.over.done() else ""
            await talk.close()
        result = _finish(self.script, journal, reason, self.failures)
        result.digits = line.digits
        result.step_starts = self.step_starts
        return result

    async def _play(self, step: Step, talk: Talk, line: MemoryLine) -> bool:
        """Returns whether the conversation goes on."""
        if talk.over.done():
            self.failures.append(f"the call was over before {describe(step)}")
            return False
        seen = len(talk.journal.events)
        self.step_starts.append(seen)
        if step.hangs_up:
            line.leave()
            await talk.over
        elif step.silence:
            await talk.pass_silence(step.silence)
        elif step.digits:
            await talk.hear_digits(step.digits)
        else:
            await talk.hear(step.text)
        self.failures.extend(step_failures(step.expect, talk.journal.events[seen:]))
        return True


@dataclass
class _InSound:
    """A spoken conversation in real time; with `by_telephone` through a G.711 line."""

    config: AgentConfig
    script: Script
    model: "llm.LLM[Any] | None"
    by_telephone: bool
    failures: list[str] = field(default_factory=list)
    mouth: Mouth = field(init=False)
    ear: Ear = field(init=False)
    voice: LocalTTS = field(init=False)
    line: MemoryLine = field(init=False)
    _greeted_at: float = 0.0

    async def run(self) -> Result:
        self.mouth, self.ear = Mouth(), Ear()
        self.voice = LocalTTS(language=self.config.language)
        # Loading the voice would otherwise take a second out of the first conversation.
        await self.voice.speak(self.script.greeting or DEFAULT_GREETING)
        journal = Journal()
        self.line = MemoryLine(transfers=dict(self.script.transfers))
        config = with_phrases(self.config, self.script)
        talk = Talk(
            config,
            make_parts(config),
            self.line,
            journal,
            self._start,
            mocks=self.script.tools,
        )
        call = asyncio.get_running_loop().create_task(talk.run())
        try:
            await self._converse(talk)
            await asyncio.wait(
                {call}, timeout=MAX_END_WAIT if talk.ending else CONVERSATION_POLL_SECONDS
            )
        finally:
            self.line.leave("callee_hangup")
            reason = await call
        result = _finish(self.script, journal, reason, self.failures)
        self._measure(result)
        result.heard = await self._what_was_heard(config, agent_turns(journal.events))
        return result

    def _measure(self, result: Result) -> None:
        """Add what can be measured by the callee alone."""
        result.digits = self.line.digits
        if self.script.greeting:
            result.greeted_at = time.time() - (time.monotonic() - self._greeted_at)
            if self.ear.began_at:
                result.greeting_to_audio = round(self.ear.began_at[0] - self._greeted_at, 3)
        if turns := agent_turns(result.events):
            ended = datetime.fromisoformat(turns[-1].get("ended_at") or turns[-1]["started_at"])
            result.last_word_to_hang_up = round(self.line.hung_up_at - ended.timestamp(), 3)

    async def _start(self, session: "AgentSession[Any]", agent: Persona) -> None:
        session.input.audio, session.output.audio = self.mouth, self.ear
        await session.start(agent, record=False)

    async def _converse(self, talk: Talk) -> None:
        if self.script.greeting:
            await self._speak(self.script.greeting)
            self._greeted_at = self.mouth.stopped_at
        # A machine says its greeting, and then nothing more; the agent has its time to act.
        longest = talk.config.voicemail.wait_for_end_seconds + MAX_ANSWER_WAIT
        await self._wait_for_answer(talk, 0, longest)
        for step in self.script.steps:
            if talk.over.done() or talk.ending:
                self.failures.append(f"the call was over before {describe(step)}")
                return
            await self._play(step, talk)
        if self.model is not None and self.script.instructions:
            play = partial(self._play, talk=talk)
            self.failures.extend(await converse(self.model, self.script, talk, play))
        if self.script.answers != "human" or self.script.end:
            await asyncio.wait({talk.over}, timeout=longest)

    async def _play(self, step: Step, talk: Talk) -> None:
        seen, acts = len(talk.journal.events), self._acts()
        if step.hangs_up:
            self.line.leave()
            await talk.over
        elif step.silence:
            await asyncio.wait({talk.over}, timeout=step.silence)
        elif step.digits:
            for digit in step.digits:
                self.line.press(digit)
            await self._wait_for_answer(talk, acts, MAX_ANSWER_WAIT)
        else:
            await self._speak(step.text)
            await self._wait_for_answer(talk, acts, MAX_ANSWER_WAIT)
        self.failures.extend(step_failures(step.expect, talk.journal.events[seen:]))

    async def _speak(self, text: str) -> None:
        samples = resample(await self.voice.speak(text), SPEAKING_RATE, HEARING_RATE)
        await asyncio.sleep(PAUSE_BEFORE_SPEAKING)
        self.mouth.speak(self._through_line(samples, HEARING_RATE))
        while self.mouth.is_speaking:
            await asyncio.sleep(CONVERSATION_POLL_SECONDS)

    def _acts(self) -> int:
        """Return how often the agent has spoken, or pressed keys."""
        return len(self.ear.spoken) + len(self.line.digits)

    async def _wait_for_answer(self, talk: Talk, acts: int, seconds: float) -> None:
        """Wait until the agent has done something more and is silent, or the call is over."""
        until = time.monotonic() + seconds
        quiet_since: float | None = None
        while time.monotonic() < until and not talk.over.done():
            is_quiet = self._acts() > acts and not self.ear.is_hearing
            quiet_since = (quiet_since or time.monotonic()) if is_quiet else None
            if quiet_since is not None and time.monotonic() - quiet_since > PAUSE_BEFORE_SPEAKING:
                return
            await asyncio.sleep(CONVERSATION_POLL_SECONDS)

    def _through_line(self, samples: Samples, rate: int) -> Samples:
        return through_telephone(samples, rate) if self.by_telephone else samples

    async def _what_was_heard(
        self, config: AgentConfig, turns: Sequence[Event]
    ) -> list[dict[str, Any]]:
        """Return what the callee understood of each thing the agent said."""
        texts = [str(turn["text"]) for turn in turns]
        ears = PhraseRecognizer([*agent_sentences(config), *texts])
        heard = []
        for data, text in zip(self.ear.spoken, texts, strict=False):
            samples = self._through_line(np.frombuffer(data, "<i2"), SPEAKING_RATE)
            understood = await ears.recognize(samples, SPEAKING_RATE)
            expected = spoken_form(text).split()
            errors = word_errors(expected, spoken_form(understood).split())
            rate = round(errors / max(1, len(expected)), 3)
            heard.append({"text": text, "heard": understood, "word_error_rate": rate})
        return heard


def with_phrases(config: AgentConfig, script: Script) -> AgentConfig:
    """Return the configuration with local ears that know the script's lines as well."""
    if str(config.stt.get("provider") or "local") != "local":
        return config
    lines = [step.text for step in script.steps if step.text]
    known = [str(phrase) for phrase in config.stt.get("phrases") or []]
    phrases = [*known, *lines, *filter(None, [script.greeting])]
    return replace(config, stt={**config.stt, "phrases": phrases})


def agent_sentences(config: AgentConfig) -> list[str]:
    """Return what an agent of rules may say besides what it said: the ears must tell it apart."""
    rules = [rule for rule in config.llm.get("rules") or [] if isinstance(rule, Mapping)]
    texts = [str(rule.get(key) or "") for rule in rules for key in ("says", "then", "else")]
    return [text for text in texts if text and "\\" not in text]


def describe(step: Step) -> str:
    """Return a step in words."""
    if step.hangs_up:
        return "the callee hung up"
    if step.silence:
        return f"{step.silence:g} s of silence"
    return repr(step.text or step.digits)
