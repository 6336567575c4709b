"""A line without sound, whose callee is played in text: against the sandbox."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voice.lines.requests import RequestLine
from voice.rehearsal.script import Script
from voice.worker.callee_scripts import PLAYED_TALKER, choose_script

if TYPE_CHECKING:
    from voice.conversation.talk import Talk

# Seconds; the sandbox's callees hang up after one to three.
PLAYED_PAUSE_SECONDS = 0.2
# Of the sandbox: the last two digits of the number, which itself is hidden.
CALLEE = "sandbox.callee"


@dataclass
class PlayedLine(RequestLine):
    """A line whose callee is played by one of the scripts, once they have answered."""

    scripts: Sequence[Script] = ()
    talk: "Talk | None" = None
    _script: Script = PLAYED_TALKER

    async def wait_for_answer(self) -> bool:
        answered = await super().wait_for_answer()
        if answered and self.talk is not None:
            self._script = choose_script(self.scripts, self.callee.attributes.get(CALLEE, ""))
            # In text, everybody else is a human: nobody has to be listened to first.
            self.talk.detects = self._script.answers in ("machine", "screening")
            if self._script.greeting:
                await self.talk.hear_greeting(self._script.greeting)
        return answered

    async def play(self, talk: "Talk") -> None:
        """Do what the script says, one thing after each of the agent's answers, until the end."""
        while not talk.opening.is_over:
            await talk.clock.sleep(PLAYED_PAUSE_SECONDS / 4)
        for step in self._script.steps:
            await talk.clock.sleep(step.silence or PLAYED_PAUSE_SECONDS)
            if talk.ending is not None or talk.over.done():
                return
            if step.hangs_up:
                self.callee.lose("callee_hangup")
            elif step.digits:
                await talk.hear_digits(step.digits)
            elif step.text:
                await talk.hear(step.text)
