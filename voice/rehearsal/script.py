"""Scripts of rehearsals, as YAML or JSON: who is called, what they say, and what must follow.

`docs/voice.md` describes the file. A mistake in it is one sentence that names the place.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from voice.lines.line import Transfer
from voice.settings import REPOSITORY

DEMO_AGENT = REPOSITORY / "ops" / "data" / "demo_agent.json"
DEFAULT_GREETING = "Hello?"
ANSWERS = ("human", "machine", "screening", "silence")
MODES = ("text", "audio")
# What a model may cost.
DEFAULT_CALLEE_TURNS, MAX_CALLEE_TURNS = 10, 40
DEFAULT_CONVERSATION_SECONDS, MAX_CONVERSATION_SECONDS = 60, 300
MAX_RUNS = 20


class ScriptError(ValueError):
    """A script that cannot be read, in one sentence."""


@dataclass(frozen=True)
class Step:
    """What the callee does next: speak, press a key, or be silent for some seconds."""

    text: str = ""
    digits: str = ""
    silence: float = 0.0
    hangs_up: bool = False
    expect: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Script:
    label: str
    steps: tuple[Step, ...] = ()
    tags: tuple[str, ...] = ()
    answers: str = "human"
    greeting: str = DEFAULT_GREETING
    tools: Mapping[str, Any] = field(default_factory=dict)
    transfers: Mapping[str, Transfer] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    end: Mapping[str, Any] = field(default_factory=dict)
    never: tuple[str, ...] = ()
    expect: Mapping[str, Any] = field(default_factory=dict)
    # Of a callee whom a model plays once the steps are over, and what it may cost.
    instructions: str = ""
    max_turns: int = DEFAULT_CALLEE_TURNS
    max_seconds: float = DEFAULT_CONVERSATION_SECONDS
    # What a model is asked about the conversation, when nothing else is wrong with it.
    criteria: tuple[str, ...] = ()
    runs: int = 1
    required_passes: int = 1

    @property
    def needs_model(self) -> bool:
        """Whether it cannot be played by rules alone."""
        return bool(self.instructions or self.criteria)


@dataclass(frozen=True)
class Rehearsal:
    """`agent` is a configuration as the API has it; `simulator` the model that plays callees."""

    agent: Mapping[str, Any]
    variables: Mapping[str, Any]
    mode: str
    scripts: tuple[Script, ...]
    simulator: Mapping[str, Any] = field(default_factory=dict)


def read_rehearsal(path: Path) -> Rehearsal:
    """Return the rehearsal of a file. Raises ScriptError."""
    data = read_file(path)
    if not isinstance(data, Mapping):
        raise ScriptError(f"{path}: an object with `agent` and `scripts` is expected")
    agent = _read_agent(data.get("agent"), path.parent)
    if isinstance(data.get("model"), Mapping):
        agent = {**agent, "llm": data["model"]}
    mode = str(data.get("mode") or "text")
    if mode not in MODES:
        raise ScriptError(f"{path}: `mode` is text or audio")
    return Rehearsal(
        agent=agent,
        variables=data.get("variables") or {},
        mode=mode,
        scripts=_scripts_of(data, path),
        simulator=data.get("simulator") or {},
    )


def read_scripts(path: Path) -> tuple[Script, ...]:
    """Return the scripts of a rehearsal's file, whatever its agent. Raises ScriptError."""
    data = read_file(path)
    return _scripts_of(data if isinstance(data, Mapping) else {}, path)


def _scripts_of(data: Mapping[str, Any], path: Path) -> tuple[Script, ...]:
    """Raises ScriptError."""
    scripts = data.get("scripts")
    if not isinstance(scripts, list) or not scripts:
        raise ScriptError(f"{path}: `scripts` is a list with at least one script")
    return tuple(_read_script(item, number) for number, item in enumerate(scripts, start=1))


def read_file(path: Path) -> Any:
    """Return what a file of YAML or JSON says. Raises ScriptError."""
    try:
        text = path.read_text()
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise ScriptError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError) as error:
        line = str(error).replace("\n", " ")
        raise ScriptError(f"{path} is neither YAML nor JSON: {line}") from error


def _read_agent(given: Any, folder: Path) -> Mapping[str, Any]:
    """Return the agent's configuration: given in place, in a file, or the demo's.

    Raises ScriptError.
    """
    if isinstance(given, Mapping):
        return given
    if given in (None, "demo"):
        return read_agent_file(DEMO_AGENT)
    return read_agent_file(folder / str(given))


def read_agent_file(path: Path) -> Mapping[str, Any]:
    """Return the agent's configuration of a file. Raises ScriptError."""
    data = read_file(path)
    if not isinstance(data, Mapping):
        raise ScriptError(f"{path}: an agent's configuration is expected")
    return data


def _read_script(item: Any, number: int) -> Script:
    """Raises ScriptError."""
    if not isinstance(item, Mapping):
        raise ScriptError(f"Script {number} is no object")
    label = str(item.get("label") or f"script {number}")
    answers = str(item.get("answers") or "human")
    if answers not in ANSWERS:
        raise ScriptError(f"{label}: `answers` is one of {', '.join(ANSWERS)}")
    default = "" if answers == "silence" else DEFAULT_GREETING
    runs = _read_count(item, "repeat", label, at_most=MAX_RUNS)
    return Script(
        label=label,
        steps=tuple(_read_step(step, label) for step in item.get("caller") or []),
        tags=tuple(str(tag) for tag in item.get("tags") or []),
        answers=answers,
        greeting=str(item.get("greeting", default)),
        tools=item.get("tools") or {},
        transfers={
            str(to): _read_transfer(how) for to, how in (item.get("transfers") or {}).items()
        },
        variables=item.get("variables") or {},
        end=_read_end(item.get("end")),
        never=_read_texts(item.get("never")),
        expect=item.get("expect") or {},
        instructions=str(item.get("instructions") or ""),
        max_turns=_read_count(
            item, "max_turns", label, default=DEFAULT_CALLEE_TURNS, at_most=MAX_CALLEE_TURNS
        ),
        max_seconds=_read_count(
            item,
            "max_seconds",
            label,
            default=DEFAULT_CONVERSATION_SECONDS,
            at_most=MAX_CONVERSATION_SECONDS,
        ),
        criteria=_read_texts(item.get("judge")),
        runs=runs,
        required_passes=_read_count(item, "pass", label, default=runs, at_most=runs),
    )


def _read_count(item: Any, name: str, label: str, *, default: int = 1, at_most: int) -> int:
    """Raises ScriptError."""
    count = item.get(name, default)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= at_most:
        raise ScriptError(f"{label}: `{name}` is a whole number from 1 to {at_most}")
    return count


def _read_texts(value: Any) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [value] if value else []
    return tuple(str(text) for text in given)


def _read_step(step: Any, label: str) -> Step:
    """Raises ScriptError."""
    if isinstance(step, str):
        return Step(text=step)
    known = {"says", "digits", "silence", "hangs_up", "expect"}
    if not isinstance(step, Mapping) or not known.issuperset(step) or len(step) == 0:
        raise ScriptError(f"{label}: a step of `caller` has {', '.join(sorted(known))}")
    return Step(
        text=str(step.get("says") or ""),
        digits=str(step.get("digits") or ""),
        silence=float(step.get("silence") or 0.0),
        hangs_up=bool(step.get("hangs_up")),
        expect=step.get("expect") or {},
    )


def _read_transfer(how: Any) -> Transfer:
    if isinstance(how, str):
        return Transfer(succeeded=False, text=how)
    return Transfer(succeeded=bool(how))


def _read_end(end: Any) -> Mapping[str, Any]:
    return {"reason": end} if isinstance(end, str) else end or {}


def chosen(scripts: Sequence[Script], names: Sequence[str]) -> list[Script]:
    """Return the scripts with these labels or tags, or all of them. Raises ScriptError."""
    if not names:
        return list(scripts)
    found = [script for script in scripts if script.label in names or set(script.tags) & set(names)]
    if not found:
        raise ScriptError(f"No script has the label or tag {', '.join(names)}")
    return found
