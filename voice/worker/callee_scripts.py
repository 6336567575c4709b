"""What the callees of calls without sound say: of the sandbox's, which answers and is silent.

Without scripts of their own (`VOICE_CALLEES`), they do what the last two digits of the number say
(`docs/reference/api-contract.md §11`): 75 to 79 are answering machines, the others talk.
"""

from collections.abc import Sequence
from pathlib import Path

from voice.rehearsal.script import Script, Step, read_scripts

MACHINE_DIGITS = range(75, 80)
PLAYED_TALKER = Script(
    "talker",
    greeting="",
    steps=(
        Step("Hello, who is this?"),
        Step("Could you say that again?"),
        Step("Yes, that is right."),
        Step("Thank you, goodbye."),
    ),
)
PLAYED_MACHINE = Script(
    "machine", answers="machine", greeting="Please leave a message after the tone."
)


def played_scripts(path: Path | None) -> tuple[Script, ...]:
    """Return the scripts of `VOICE_CALLEES`. Raises ScriptError for a file that has none."""
    return () if path is None else read_scripts(path)


def choose_script(scripts: Sequence[Script], digits: str) -> Script:
    """Return what the callee says whose number ends in these digits, the same in every call."""
    last = int(digits) if digits.isdecimal() else 0
    if scripts:
        return scripts[last % len(scripts)]
    return PLAYED_MACHINE if last in MACHINE_DIGITS else PLAYED_TALKER
