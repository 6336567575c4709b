"""What must follow in a rehearsal, checked in order; each failure is one sentence."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from voice.journal import Event
from voice.rehearsal.script import Script

# Who ended the call, by its reason.
CALLEE_REASONS = ("callee_hangup",)
MAX_WORD_ERROR_RATE = 0.1


@dataclass
class Result:
    """What came of one script. `heard` are the agent's sentences as the callee understood them."""

    label: str
    tags: tuple[str, ...]
    events: list[Event]
    reason: str
    failures: list[str] = field(default_factory=list)
    heard: list[dict[str, Any]] = field(default_factory=list)
    # The keys that the agent has pressed.
    digits: list[str] = field(default_factory=list)
    # In sound: when the callee's greeting was over (Unix time), how long the agent's first sound
    # came after it, and the end of the call after the agent's last word.
    greeted_at: float = 0.0
    greeting_to_audio: float | None = None
    last_word_to_hang_up: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    # Why it could not be played here.
    not_run: str | None = None
    # How often it was played, and passed.
    runs: int = 1
    passed_runs: int = 0
    # In text: how many events there were before each step.
    step_starts: list[int] = field(default_factory=list)
    # The call that was replayed, beside what came of it now.
    replay: dict[str, Any] | None = None

    @property
    def passed(self) -> bool:
        return not self.failures and self.not_run is None


def step_failures(expect: Mapping[str, Any], events: Sequence[Event]) -> Iterator[str]:
    """Yield what is missing in the events since a step of the callee."""
    spoken = " ".join(event["text"] for event in agent_turns(events))
    calls = [event for event in events if event["type"] == "tool_call"]
    for wanted in _texts(expect.get("agent_says")):
        if not contains(spoken, wanted):
            yield f"the agent did not say {wanted!r}, but {spoken!r}"
    for unwanted in _texts(expect.get("agent_does_not_say")):
        if contains(spoken, unwanted):
            yield f"the agent said {unwanted!r}: {spoken!r}"
    for name in _texts(expect.get("not_tool")):
        if any(call["name"] == name for call in calls):
            yield f"the agent used {name}"
    yield from _tool_failures(expect, calls)


def _tool_failures(expect: Mapping[str, Any], calls: Sequence[Event]) -> Iterator[str]:
    for name in _texts(expect.get("tool")):
        found = [call for call in calls if call["name"] == name]
        if not found:
            used = ", ".join(call["name"] for call in calls) or "no tool"
            yield f"the agent did not use {name}, but {used}"
        elif not any(_has(call["arguments"], expect.get("arguments") or {}) for call in found):
            given = found[-1]["arguments"]
            yield f"the agent used {name} with {given}, not with {expect['arguments']}"


def script_failures(script: Script, result: Result) -> Iterator[str]:
    """Yield what is wrong with the whole conversation."""
    turns = agent_turns(result.events)
    spoken = " ".join(event["text"] for event in turns)
    yield from (f"the agent said {text!r}" for text in script.never if contains(spoken, text))
    yield from step_failures(script.expect, result.events)
    yield from _end_failures(script.end, result, len(turns))
    yield from _detection_failures(script.expect, result)
    for sentence in result.heard:
        if sentence["word_error_rate"] > MAX_WORD_ERROR_RATE:
            yield f"the callee heard {sentence['heard']!r} instead of {sentence['text']!r}"


def _end_failures(end: Mapping[str, Any], result: Result, turns: int) -> Iterator[str]:
    if not end:
        return
    by = "callee" if result.reason in CALLEE_REASONS else "agent"
    if end.get("by") not in (None, by):
        yield f"the call was ended by the {by} ({result.reason or 'not at all'})"
    if end.get("reason") not in (None, result.reason):
        yield f"the call ended with {result.reason!r}, not {end['reason']!r}"
    if turns > float(end.get("within_turns") or "inf"):
        yield f"the agent spoke {turns} times, not at most {end['within_turns']}"


def _detection_failures(expect: Mapping[str, Any], result: Result) -> Iterator[str]:
    if "detected" in expect:
        kinds = [event["kind"] for event in result.events if event["type"] == "detected"]
        if expect["detected"] not in kinds[-1:]:
            yield f"it detected {', '.join(kinds) or 'nothing'}, not {expect['detected']}"
    if "message_left" in expect:
        left = any(event.get("complete") for event in _of_type(result.events, "message_left"))
        if left is not bool(expect["message_left"]):
            yield "it left no whole message" if expect["message_left"] else "it left a message"
    wanted = (expect.get("latency") or {}).get("p95")
    for event in _of_type(result.events, "usage"):
        measured = event["latency"].get("p95")
        if wanted is not None and measured is not None and measured > wanted:
            yield f"95 of 100 answers came within {measured} s, not {wanted} s"


def agent_turns(events: Sequence[Event]) -> list[Event]:
    """Return what the agent said."""
    return [event for event in _of_type(events, "turn") if event["role"] == "agent"]


def contains(text: str, wanted: str) -> bool:
    """Return whether a text holds another, without regard to case; /…/ is an expression."""
    if len(wanted) > 2 and wanted.startswith("/") and wanted.endswith("/"):
        return re.search(wanted[1:-1], text, re.IGNORECASE) is not None
    return wanted.casefold() in text.casefold()


def _of_type(events: Sequence[Event], kind: str) -> list[Event]:
    return [event for event in events if event["type"] == kind]


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _has(arguments: Any, wanted: Mapping[str, Any]) -> bool:
    return isinstance(arguments, Mapping) and all(
        arguments.get(name) == value for name, value in wanted.items()
    )
