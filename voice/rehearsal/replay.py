"""Replays: what a real call's callee said, said again to an agent, and how both calls went.

The callee's words, keys and silences become a rehearsal in text. What the agent said and did then
stands beside what it says and does now, after each thing that the callee did.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from voice.lines.line import Transfer
from voice.rehearsal.run import rehearse
from voice.rehearsal.script import Rehearsal, Script, ScriptError, Step, read_file
from voice.rehearsal.verdict import Result

# A pause of the callee that is shorter is the rhythm of a conversation.
MIN_SILENCE_SECONDS = 5.0
MAX_SILENCE_SECONDS = 600.0
TURN, TOOL_CALL = "turn", "tool_call"


@dataclass
class Answer:
    """What the agent said, and which tools it used, until the callee did something again."""

    says: list[str] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)

    def add(self, event: Mapping[str, Any]) -> None:
        if event["type"] == TURN and event["role"] == "agent":
            self.says.append(str(event["text"]))
        elif event["type"] == TOOL_CALL:
            arguments = event.get("arguments")
            given = dict(arguments) if isinstance(arguments, Mapping) else {}
            self.tools.append({"name": str(event["name"]), "arguments": given})

    @property
    def words(self) -> str:
        """What was said, however it was cut into turns."""
        return " ".join(" ".join(self.says).split())


@dataclass
class Moment:
    """What the callee did, and the agent's answer of then; the first is the opening's."""

    step: Step | None
    then: Answer = field(default_factory=Answer)


@dataclass(frozen=True)
class RecordedCall:
    """A call that was held. `events` are its turns, tools, keys and transfers, in their order."""

    call_id: str
    agent_version: int | None
    variables: Mapping[str, Any]
    end_reason: str | None
    ended_at: float | None
    events: Sequence[Mapping[str, Any]]


async def replay(agent: Mapping[str, Any], call: RecordedCall) -> Result:
    """Return how the call goes with this agent; `replay` of the result has both sides.

    Raises ProviderError when the agent cannot be built here.
    """
    greeting, moments = _moments_of(call)
    script = _script_of(call, greeting, moments)
    result = await rehearse(Rehearsal(agent, {}, "text", (script,)), script)
    # That the agent ends the call earlier than it did is a difference, and no mistake.
    result.failures.clear()
    answers = list(_answers_of(result, len(moments)))
    exchanges = [
        _exchange_of(moment, greeting, now) for moment, now in zip(moments, answers, strict=True)
    ]
    result.replay = {
        "call_id": call.call_id,
        "then": {
            "agent_version": call.agent_version,
            "end_reason": call.end_reason,
            "turns": [
                {"role": str(event["role"]), "text": str(event["text"])}
                for event in call.events
                if event["type"] == TURN
            ],
            "tools": [tool for moment in moments for tool in moment.then.tools],
        },
        "exchanges": exchanges,
        "differences": list(_differences(call, moments, answers, result.reason or None)),
    }
    return result


def _moments_of(call: RecordedCall) -> tuple[str, list[Moment]]:
    """Return what the callee said before the agent, and the moments of the call."""
    greeting: list[str] = []
    moments = [Moment(None)]
    quiet_since: float | None = None
    for event in call.events:
        if event["type"] == TURN and quiet_since is not None:
            _add_silence(moments, _time(event["at"]) - quiet_since)
        if event["type"] == TURN and event["role"] != "agent":
            _add_words(greeting, moments, str(event["text"]))
        elif event["type"] == "dtmf":
            moments.append(Moment(Step(digits=str(event["digits"]))))
        else:
            moments[-1].then.add(event)
        quiet_since = _quiet_since(event)
    if call.end_reason == "callee_hangup":
        moments.append(Moment(Step(hangs_up=True)))
    elif quiet_since is not None and call.ended_at is not None:
        _add_silence(moments, call.ended_at - quiet_since)
    return " ".join(greeting), moments


def _quiet_since(event: Mapping[str, Any]) -> float | None:
    """Return from when on the callee is waited for; None unless the agent has just spoken.

    After the callee's words it is the agent who is waited for, and while a tool works nobody is.
    """
    if event["type"] != TURN or event["role"] != "agent":
        return None
    return _time(event.get("ended_at") or event["at"])


def _add_words(greeting: list[str], moments: list[Moment], text: str) -> None:
    """Add what the callee said: to their last words, if the agent has not answered those."""
    last = moments[-1]
    if last.then.says or last.then.tools:
        moments.append(Moment(Step(text)))
    elif last.step is None:
        greeting.append(text)
    elif last.step.text:
        last.step = replace(last.step, text=f"{last.step.text} {text}")
    else:
        moments.append(Moment(Step(text)))


def _add_silence(moments: list[Moment], seconds: float) -> None:
    if seconds < MIN_SILENCE_SECONDS:
        return
    # Whole seconds, rounded up: what was due at the end of the silence is due again.
    lasted = min(float(math.ceil(seconds)), MAX_SILENCE_SECONDS)
    moments.append(Moment(Step(silence=lasted)))


def _script_of(call: RecordedCall, greeting: str, moments: Sequence[Moment]) -> Script:
    """Return the callee's side as a script, whose tools answer as they did."""
    tools: dict[str, Any] = {}
    transfers: dict[str, Transfer] = {}
    for event in call.events:
        if event["type"] == TOOL_CALL:
            answer = "error" if event.get("failed") else "result"
            # Of several answers of a tool, the first: the draft may ask once.
            tools.setdefault(str(event["name"]), {answer: event.get("result") or "Done"})
        elif event["type"] == "transfer" and event.get("status") != "transferred":
            transfers[str(event["to"])] = Transfer(False, str(event.get("status") or "failed"))
    return Script(
        label=call.call_id,
        steps=tuple(moment.step for moment in moments if moment.step is not None),
        greeting=greeting,
        tools=tools,
        transfers=transfers,
        variables=call.variables,
    )


def _answers_of(result: Result, count: int) -> Iterator[Answer]:
    """Yield the agent's answers of now, nothing for what it did not hear any more."""
    bounds = [0, *result.step_starts, len(result.events)]
    for number in range(count):
        answer = Answer()
        if number + 1 < len(bounds):
            for event in result.events[bounds[number] : bounds[number + 1]]:
                answer.add(event)
        yield answer


def _exchange_of(moment: Moment, greeting: str, now: Answer) -> dict[str, Any]:
    then, step = moment.then, moment.step
    done: dict[str, Any] = {"says": None, "digits": None, "silence": None, "hangs_up": False}
    if step is None:
        done["says"] = greeting or None
    else:
        done.update(
            says=step.text or None,
            digits=step.digits or None,
            silence=step.silence or None,
            hangs_up=step.hangs_up,
        )
    return {
        "callee": done,
        "then": {"says": then.says, "tools": then.tools},
        "now": {"says": now.says, "tools": now.tools},
        "different": (then.words, then.tools) != (now.words, now.tools),
    }


def _differences(
    call: RecordedCall, moments: Sequence[Moment], answers: Sequence[Answer], reason: str | None
) -> Iterator[str]:
    """Yield in what the calls differ: words, tools, end_reason."""
    then = [moment.then for moment in moments]
    if [answer.words for answer in then] != [answer.words for answer in answers]:
        yield "words"
    if [answer.tools for answer in then] != [answer.tools for answer in answers]:
        yield "tools"
    if call.end_reason != reason:
        yield "end_reason"


def read_replay(path: Path) -> tuple[Mapping[str, Any], list[RecordedCall]]:
    """Return the agent and the calls of a file. Raises ScriptError."""
    data = read_file(path)
    if not isinstance(data, Mapping) or not isinstance(data.get("agent"), Mapping):
        raise ScriptError(f"{path}: an object with `agent` and `calls` is expected")
    calls = data.get("calls")
    if not isinstance(calls, list) or not calls:
        raise ScriptError(f"{path}: `calls` is a list with at least one call")
    try:
        return data["agent"], [_read_call(call) for call in calls]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ScriptError(f"{path}: a call cannot be read: {error}") from error


def _read_call(call: Mapping[str, Any]) -> RecordedCall:
    """Raises KeyError and ValueError for what is no call."""
    ended_at = call.get("ended_at")
    return RecordedCall(
        call_id=str(call["call_id"]),
        agent_version=call.get("agent_version"),
        variables=call.get("variables") or {},
        end_reason=call.get("end_reason"),
        ended_at=None if ended_at is None else _time(ended_at),
        events=sorted(call["events"], key=lambda event: _time(event["at"])),
    )


def _time(text: str) -> float:
    """Return a time of the API in Unix seconds. Raises ValueError."""
    return datetime.fromisoformat(text).timestamp()
