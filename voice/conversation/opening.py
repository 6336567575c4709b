"""The first seconds: who answered, and what is said first, whole and once."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from voice.agent_config import AgentConfig
from voice.conversation.detection import SCREENING, Detector, Verdict

if TYPE_CHECKING:
    from voice.conversation.talk import Talk

CONVERSATION_POLL_SECONDS = 0.05
# Of silence after a machine's greeting, until its recording is believed to run.
GREETING_OVER_SECONDS = 1.0
# After a message, until the hang-up: machines cut off what has just been said.
MESSAGE_LINGER_SECONDS = 2.0
# From the first menu on, until somebody has to be reached.
MAX_MENU_SECONDS = 120.0
MENU_PROMPT = (
    "A telephone menu has just spoken. Press the keys that lead to the person you are calling, and "
    "say nothing."
)
GENERATED_OPENING = "The callee has just answered. Begin the conversation with one short sentence."
MIN_ECHO_WORDS = 2
ANY_WORD = re.compile(r"[^\W_]+")


@dataclass(eq=False)
class Opening:
    """`is_over`: from now on the callee's turns are answered."""

    talk: "Talk"
    is_over: bool = False
    is_spoken_whole: bool = False
    _answered_at: float = 0.0
    _spoken: str = ""
    _has_heard_turn: bool = False
    _detector: Detector = field(default_factory=lambda: Detector(0.0))

    @property
    def config(self) -> AgentConfig:
        return self.talk.config

    def hear_words(self, text: str, now: float) -> None:
        self._detector.hear_words(text, now)

    def hear_activity(self, *, is_speaking: bool, now: float) -> None:
        self._detector.hear_activity(is_speaking=is_speaking, now=now)

    async def run(self, answered_at: float) -> None:
        """Decide who answered, and begin. Returns when the callee's turns are to be answered."""
        self._answered_at = answered_at
        earlier, self._detector = self._detector.transcript, Detector(answered_at)
        if earlier:
            self._detector.hear_words(earlier, answered_at)
        detection = self.config.voicemail.detection
        if not self.talk.detects or detection == "off":
            await self._begin()
        elif detection == "along":
            await self._begin()
            self.talk.spawn(self._detect_along())
        else:
            await self._act(await self._detect())

    async def _detect(self) -> Verdict:
        talk = self.talk
        while not talk.over.done():
            found = self._detector.verdict(talk.clock.now())
            if found is not None:
                return self._report(found)
            await talk.clock.sleep(CONVERSATION_POLL_SECONDS)
        return Verdict("uncertain", "hung up", 0.0, self._detector.transcript)

    async def _detect_along(self) -> None:
        found = await self._detect()
        if found.kind in ("machine", "screened"):
            self.is_over = False
            await self.talk.session.interrupt(force=True)
            await self._act(found)

    def _report(self, found: Verdict) -> Verdict:
        self.talk.journal.add(
            "detected",
            kind=found.kind,
            reason=found.reason,
            # Since the answer, also when it is the second to be detected.
            seconds=round(self.talk.clock.now() - self._answered_at, 3),
            transcript=found.transcript,
        )
        return found

    async def _act(self, found: Verdict) -> None:
        if self.talk.over.done():
            return
        if found.kind == "screened":
            await self._answer_screening()
        elif found.kind == "machine":
            await self._meet_machine(found)
        else:
            await self._begin()

    async def _begin(self) -> None:
        """Speak first, if the agent does, and let the callee's turns be answered."""
        config, talk = self.config, self.talk
        if config.first_message_mode == "wait":
            self.is_over = True
            # What was said during the detection is a turn that nobody has answered.
            if self._detector.transcript:
                await talk.wait_for(talk.session.generate_reply())
            return
        if config.first_message_mode == "generate" or not config.first_message:
            handle = talk.session.generate_reply(
                instructions=GENERATED_OPENING, allow_interruptions=False
            )
            await talk.wait_for(handle)
            self.is_spoken_whole = not handle.interrupted
        else:
            self._spoken = config.first_message
            self.is_spoken_whole = await talk.speak(config.first_message)
        self.is_over = True

    # --- machines ---

    async def _meet_machine(self, found: Verdict) -> None:
        talk, action = self.talk, self.config.voicemail.action
        await talk.deliver_reports()
        if found.is_menu and any(tool.type == "dtmf" for tool in self.config.tools):
            await self._walk_menu()
        elif action == "continue":
            await self._wait_for_quiet()
            await self._begin()
        elif action == "leave_message" and not found.is_menu:
            await self._leave_message()
        else:
            talk.end("voicemail")

    async def _walk_menu(self) -> None:
        """Let the model press keys, menu by menu, until somebody else answers."""
        talk = self.talk
        until = talk.clock.now() + MAX_MENU_SECONDS
        while talk.clock.now() < until and not talk.over.done():
            await self._wait_for_quiet()
            await talk.wait_for(talk.session.generate_reply(instructions=MENU_PROMPT))
            if not talk.has_sound:
                # In text, whoever is reached speaks in the next turn.
                await self._begin()
                return
            found = await self._next_voice(until)
            if found is None:
                break
            if not found.is_menu:
                await self._act(self._report(found))
                return
        talk.end("voicemail")

    async def _next_voice(self, until: float) -> Verdict | None:
        """Return who speaks next, after the ringing of an extension; None when nobody does."""
        talk = self.talk
        self._detector = Detector(talk.clock.now())
        while talk.clock.now() < until and not talk.over.done() and talk.ending is None:
            found = self._detector.verdict(talk.clock.now())
            if found is not None and found.transcript:
                return found
            await talk.clock.sleep(CONVERSATION_POLL_SECONDS)
        return None

    async def _leave_message(self) -> None:
        talk = self.talk
        await self._wait_for_quiet()
        message = self.config.voicemail.message or self.config.first_message
        if message and not talk.over.done():
            complete = await talk.speak(message)
            talk.journal.add("message_left", complete=complete)
            if talk.has_sound:
                await talk.clock.sleep(MESSAGE_LINGER_SECONDS)
        talk.end("voicemail")

    async def _wait_for_quiet(self) -> None:
        """Wait until the greeting is over: a second without a sound, within the agent's bound."""
        clock = self.talk.clock
        until = clock.now() + self.config.voicemail.wait_for_end_seconds
        while clock.now() < until and not self.talk.over.done():
            if self._detector.quiet_seconds(clock.now()) >= GREETING_OVER_SECONDS:
                return
            await clock.sleep(CONVERSATION_POLL_SECONDS)

    # --- screening ---

    async def _answer_screening(self) -> None:
        """Say who calls and why, then wait for somebody to be put through."""
        talk, wanted = self.talk, self.config.screening
        await talk.deliver_reports()
        answer = " ".join(filter(None, (wanted.identity, wanted.purpose)))
        if not answer:
            talk.end("screened")
            return
        await self._wait_for_quiet()
        await talk.speak(answer)
        self._detector = Detector(talk.clock.now())
        until = talk.clock.now() + wanted.give_up_after_seconds
        while talk.clock.now() < until and not talk.over.done():
            if self._is_put_through():
                self._report(Verdict("human", "put through", 0.0, self._detector.transcript))
                await self._begin()
                return
            await talk.clock.sleep(CONVERSATION_POLL_SECONDS)
        talk.end("screened")

    def _is_put_through(self) -> bool:
        """Whether somebody speaks who does not screen; `uncertain` is silence, so nobody."""
        found = self._detector.verdict(self.talk.clock.now())
        return (
            found is not None
            and found.kind == "human"
            and not SCREENING.search(self._detector.transcript)
        )

    def is_echo(self, text: str) -> bool:
        """Return whether the callee's first turn is the opening, which came back on their line."""
        if self._has_heard_turn:
            return False
        self._has_heard_turn = True
        words, spoken = _words(text), _words(self._spoken)
        count = len(words)
        return count >= MIN_ECHO_WORDS and any(
            spoken[start : start + count] == words for start in range(len(spoken) - count + 1)
        )


def _words(text: str) -> list[str]:
    return ANY_WORD.findall(text.casefold())
