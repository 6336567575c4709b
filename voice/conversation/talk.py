"""One conversation: from the answer to the end, in sound or in text.

The order of a call is here; who answered is decided in `detection.py`, how long it may last in
`limits.py`. Nothing is spoken before the answer, the opening is spoken whole and once before any
reply, and the first decision to end the call is the only one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from livekit.agents import AgentSession, RunContext
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.events import (
    AgentStateChangedEvent,
    CloseEvent,
    ConversationItemAddedEvent,
    ErrorEvent,
    UserInputTranscribedEvent,
    UserStateChangedEvent,
    UserTranscriptionTimeoutEvent,
)

from voice.agent_config import AgentConfig
from voice.clock import Clock, RealClock
from voice.conversation.figures import usage_items
from voice.conversation.limits import Due, Limits
from voice.conversation.opening import Opening
from voice.conversation.persona import Persona
from voice.conversation.session import make_session
from voice.conversation.tools import Toolbox
from voice.conversation.turns import (
    TurnRecorder,
    report_error,
    report_fallbacks,
    report_nothing_understood,
)
from voice.journal import Journal
from voice.lines.line import Line
from voice.providers.registry import Parts

log = logging.getLogger(__name__)

CONVERSATION_POLL_SECONDS = 0.05
# After the last word, until the room is deleted: LiveKit and the callee's network still play it.
LINGER_SECONDS = 0.6
MAX_LAST_WORDS_SECONDS = 20.0
NEXT_DIGIT_SECONDS = 1.5
PRESSED = "(The callee pressed {digits} on the telephone.)"
CLOSE_SECONDS = 5.0

Start = Callable[["AgentSession[Any]", Persona], Awaitable[None]]


@dataclass(eq=False)
class Talk:
    """`start(session, agent)` connects sound and session; without sound it is a talk in text."""

    config: AgentConfig
    parts: Parts
    line: Line
    journal: Journal
    start: Start
    clock: Clock = field(default_factory=RealClock)
    has_sound: bool = True
    detects: bool = True
    call_id: str = ""
    permits_private: bool = False
    mocks: Mapping[str, Any] | None = None
    flush_reports: Callable[[], Awaitable[None]] | None = None
    turns: TurnRecorder = field(init=False)
    toolbox: Toolbox = field(init=False)
    limits: Limits = field(init=False)
    opening: Opening = field(init=False)
    agent: Persona = field(init=False)
    session: "AgentSession[Any]" = field(init=False)
    over: "asyncio.Future[str]" = field(init=False)
    ending: str | None = None
    is_handed_over: bool = False
    has_understood: bool = True
    _tasks: set["asyncio.Task[Any]"] = field(default_factory=set)
    _is_reminder: bool = False
    _answered_at: float = 0.0
    _digits: str = ""
    _pressing: "asyncio.Task[Any] | None" = None
    _connecting: "asyncio.Task[Any] | None" = None

    def __post_init__(self) -> None:
        self.over = asyncio.get_running_loop().create_future()
        self.turns = TurnRecorder(self.journal, self.config.language, self.has_sound)
        self.toolbox = Toolbox(self, self.call_id, self.permits_private, self.mocks)
        self.agent = Persona(
            self.config,
            tools=self.toolbox.functions(self.config.tools),
            holds_turn=self._holds_turn,
            holds_turns=self._holds_turns,
        )
        self.session = make_session(self.config, self.parts, is_telephone=self.line.is_telephone)
        self.limits = Limits.begin(self.config, self.clock.now())
        self.opening = Opening(self)
        self._subscribe()

    # --- the order of a call ---

    async def run(self) -> str:
        """Talk until the call is over, and end it. Returns the reason."""
        try:
            await self.begin()
            if not self.over.done():
                self.spawn(self._watch_limits())
            return await self.over
        finally:
            await self.close()

    async def begin(self) -> None:
        """Wait for the answer, and speak the opening."""
        self.line.left.add_done_callback(self._on_left)
        self.line.watch_digits(self._on_digit)
        # Before the answer, so that the callee's first words are heard.
        await self.start(self.session, self.agent)
        if self.toolbox.has_servers:
            self._connecting = self.spawn(self._connect_servers())
        if not await self.line.wait_for_answer():
            self._finish(self.line.left.result() if self.line.left.done() else "")
            return
        now = self.clock.now()
        self._answered_at = now
        self.limits = Limits.begin(self.config, now)
        await self.opening.run(now)
        self.limits.touch(self.clock.now())

    async def _connect_servers(self) -> None:
        """Get the tools of other systems, while the phone rings or the opening is spoken."""
        await self.agent.add_tools(*await self.toolbox.connect(self.config.tools))

    async def close(self) -> None:
        """Report what was used, hang up, and close the session."""
        if not self.over.done():
            self.over.set_result(self.ending or "agent_crashed")
        # The report stands before the line's end, because that may end this process as well.
        items = usage_items(self.session.usage.model_usage)
        self.journal.add("usage", items=items, latency=self.turns.latency.summary())
        for task in self._tasks:
            task.cancel()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.line.hang_up()
                await self.toolbox.close()
                await self.session.aclose()
        except TimeoutError:
            log.warning("The session did not close within %s seconds", CLOSE_SECONDS)

    async def hear_greeting(self, text: str) -> None:
        """Hear what the callee says on answering, in a talk in text, before `begin`."""
        self.opening.hear_words(text, self.clock.now())
        self._holds_turn(text, {})
        await self.agent.add_turn(text)

    async def hear(self, text: str) -> None:
        """Answer words of the callee, in a talk in text. Returns when the agent has spoken."""
        self.limits.touch(self.clock.now())
        if self._holds_turn(text, {}):
            await self.agent.add_turn(text)
            return
        if self._connecting is not None:
            await self._connecting
        await self.wait_for(self.session.generate_reply(user_input=text))
        await self._wait_for_end()

    async def pass_silence(self, seconds: float) -> None:
        """Let the callee be silent, in a talk in text."""
        until = self.clock.now() + seconds
        while self.clock.now() < until and not self.over.done():
            await self.clock.sleep(CONVERSATION_POLL_SECONDS * 10)
            await self._keep_limits()
        await self._wait_for_end()

    async def hear_digits(self, digits: str) -> None:
        """Answer keys that the callee has pressed."""
        self.journal.add("dtmf", digits=digits)
        await self.hear(PRESSED.format(digits=digits))

    def _on_digit(self, digit: str) -> None:
        """Wait a moment for further keys: a number is pressed digit by digit."""
        self._digits += digit
        if self._pressing is not None:
            self._pressing.cancel()
        self._pressing = self.spawn(self._answer_digits())

    async def _answer_digits(self) -> None:
        await self.clock.sleep(NEXT_DIGIT_SECONDS)
        digits, self._digits = self._digits, ""
        # What follows may be cancelled by the next key no more.
        self._pressing = None
        await self.hear_digits(digits)

    async def _wait_for_end(self) -> None:
        """In text, where nothing runs beside, see a decision to end through."""
        if self.ending is not None:
            await self.over

    # --- speaking ---

    async def speak(self, text: str, *, may_interrupt: bool = False) -> bool:
        """Say a text. Returns whether it was heard whole."""
        handle = self.session.say(text, allow_interruptions=may_interrupt)
        await self.wait_for(handle)
        return not handle.interrupted and not self.line.left.done()

    async def wait_for(self, handle: SpeechHandle) -> None:
        """Wait until the agent has spoken, or the call is over."""
        playout: asyncio.Future[Any] = asyncio.ensure_future(handle.wait_for_playout())
        await asyncio.wait([playout, self.over], return_when=asyncio.FIRST_COMPLETED)
        playout.cancel()

    def speak_soon(self, text: str) -> None:
        """Say something while a tool runs."""
        self.session.say(text)

    # --- the end ---

    def end_after(self, context: "RunContext[Any]", reason: str, farewell: str = "") -> bool:
        """End the call once what is being said is over. Returns False when it ends already."""
        if self.ending is not None:
            return False
        if not context.speech_handle.interrupted:
            context.disallow_interruptions()
        # Only what the callee has not heard yet is said: most models take their leave beforehand.
        has_spoken = any(
            item.type == "message" and item.text_content
            for item in context.speech_handle.chat_items
        )
        speech = "" if has_spoken else farewell
        return self.end(reason, after=context.speech_handle, farewell=speech)

    def end(self, reason: str, *, after: SpeechHandle | None = None, farewell: str = "") -> bool:
        """Decide that the call ends. Returns False when that was decided before."""
        if self.ending is not None or self.over.done():
            return False
        self.ending = reason
        self.spawn(self._end(reason, after, farewell))
        return True

    async def _end(self, reason: str, after: SpeechHandle | None, farewell: str) -> None:
        try:
            async with asyncio.timeout(MAX_LAST_WORDS_SECONDS):
                if after is not None:
                    await after.wait_for_playout()
                if farewell:
                    await self.speak(farewell)
                await self.clock.sleep(LINGER_SECONDS)
        except TimeoutError:
            log.warning("The last words took longer than %s seconds", MAX_LAST_WORDS_SECONDS)
        self._finish(reason)

    def hand_over(self) -> None:
        """Fall silent: the callee talks with somebody else now, until either of them hangs up."""
        self.is_handed_over = True
        # Nobody speaks with the agent, so that nobody is silent.
        self.limits.pause()
        if self.has_sound:
            self.session.input.set_audio_enabled(False)
        self.line.colleague_left.add_done_callback(lambda _: self._finish("transferred"))

    def _finish(self, reason: str) -> None:
        if not self.over.done():
            self.over.set_result(reason)

    def _on_left(self, left: "asyncio.Future[str]") -> None:
        # A transfer that succeeded, or our own end, takes the callee out of the room, too.
        ending = "transferred" if self.is_handed_over else self.ending
        self._finish(ending or left.result())

    # --- limits ---

    def pause_limits(self) -> None:
        self.limits.pause()

    def resume_limits(self) -> None:
        self.limits.resume(self.clock.now())

    async def deliver_reports(self) -> None:
        if self.flush_reports is not None:
            await self.flush_reports()

    async def _watch_limits(self) -> None:
        while not self.over.done():
            await self.clock.sleep(CONVERSATION_POLL_SECONDS * 4)
            await self._keep_limits()

    async def _keep_limits(self) -> None:
        due = self.limits.due(self.clock.now())
        if due is Due.END_LONG:
            self.end("max_duration")
        elif due is Due.END_SILENT:
            self.end("silence")
        elif due is Due.REMIND and self.ending is None:
            self._is_reminder = True
            try:
                await self.speak(self.config.silence.text, may_interrupt=True)
            finally:
                self._is_reminder = False

    # --- what the session reports ---

    def _subscribe(self) -> None:
        session = self.session
        report_fallbacks(self.parts, self.journal)
        session.on("conversation_item_added", self._on_item)
        session.on("user_input_transcribed", self._on_words)
        session.on("user_transcription_timeout", self._on_nothing_understood)
        session.on("user_state_changed", self._on_callee)
        session.on("agent_state_changed", self._on_agent)
        session.on("error", self._on_error)
        session.on("close", self._on_close)

    def _on_item(self, event: ConversationItemAddedEvent) -> None:
        if event.item.type == "message":
            self.turns.add(event.item)

    def _holds_turns(self) -> bool:
        """Return whether nothing is answered now."""
        return not self.opening.is_over or self.ending is not None or self.is_handed_over

    def _holds_turn(self, text: str, metrics: Mapping[str, Any]) -> bool:
        """Return whether a turn of the callee is not answered; it is recorded then."""
        if self._holds_turns():
            self.turns.add_held(text, metrics)
            return True
        return self.opening.is_echo(text)

    def _on_words(self, event: UserInputTranscribedEvent) -> None:
        if event.is_final and event.transcript.strip():
            now = self.clock.now()
            self.has_understood = True
            self.turns.heard_language = str(event.language or "")
            self.opening.hear_words(event.transcript, now)
            self.limits.touch(now)

    def _on_nothing_understood(self, event: UserTranscriptionTimeoutEvent) -> None:
        # Once until words come again: a line that rustles would fill the timeline.
        if self.has_understood and not self._holds_turns():
            self.has_understood = False
            report_nothing_understood(event, self.parts, self.journal)

    def _on_callee(self, event: UserStateChangedEvent) -> None:
        self.opening.hear_activity(is_speaking=event.new_state == "speaking", now=self.clock.now())

    def _on_agent(self, event: AgentStateChangedEvent) -> None:
        now = self.clock.now()
        is_first = self.has_sound and self.turns.latency.answer_to_audio is None
        if event.new_state == "speaking" and is_first:
            self.turns.latency.answer_to_audio = round(now - self._answered_at, 3)
        busy = ("speaking", "thinking")
        if event.new_state in busy and event.old_state not in busy:
            self.limits.pause()
        elif event.new_state not in busy and event.old_state in busy:
            self.limits.resume(now, is_reminder=self._is_reminder)

    def _on_error(self, event: ErrorEvent) -> None:
        report_error(event, self.journal)

    def _on_close(self, event: CloseEvent) -> None:
        self._finish(self.ending or ("provider_failed" if event.error else "connection_lost"))

    def spawn(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run something beside the talk; it ends with it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
