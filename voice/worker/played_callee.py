"""The callee of a call without sound: the sandbox's answers, but says nothing."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voice.conversation.talk import Talk

# Seconds; the sandbox's callees hang up after one to three.
PLAYED_PAUSE_SECONDS = 0.2
LINES = (
    "Hello, who is this?",
    "Could you say that again?",
    "Yes, that is right.",
    "Thank you, goodbye.",
)


async def play_callee(talk: "Talk") -> None:
    """Speak the lines, one after each of the agent's answers, until the call ends."""
    while not talk.opening.is_over:
        await talk.clock.sleep(PLAYED_PAUSE_SECONDS / 4)
    for line in LINES:
        await talk.clock.sleep(PLAYED_PAUSE_SECONDS)
        if talk.ending is not None or talk.over.done():
            return
        await talk.hear(line)
