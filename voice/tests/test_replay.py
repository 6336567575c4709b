"""Calls that were held, with the agent as it is now."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from voice.command_line import main

Build = Callable[..., dict[str, Any]]
FIRST_WORDS = "Hello Maria, does Tuesday suit you?"


def turn_at(at: str, role: str, text: str, until: str = "") -> dict[str, Any]:
    ended_at = f"2026-11-29T10:00:{until}Z" if until else None
    moment = f"2026-11-29T10:00:{at}Z"
    return {"type": "turn", "at": moment, "role": role, "text": text, "ended_at": ended_at}


def recorded(events: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    return {
        "call_id": "7",
        "agent_version": 3,
        "variables": {"name": "Maria"},
        "end_reason": "callee_hangup",
        "ended_at": "2026-11-29T10:00:59Z",
        "events": events,
        **changes,
    }


def moved(at: str, **changes: Any) -> dict[str, Any]:
    return {
        "type": "tool_call",
        "at": f"2026-11-29T10:00:{at}Z",
        "name": "move",
        "arguments": {"day": "Friday"},
        "result": "moved",
        **changes,
    }


def act(**changes: Any) -> dict[str, Any]:
    return {"says": None, "digits": None, "silence": None, "hangs_up": False, **changes}


def answer(*says: str, tools: Any = ()) -> dict[str, Any]:
    return {"says": list(says), "tools": list(tools)}


@pytest.fixture
def replayed(
    agent: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., dict[str, Any]]:
    """Return a function that replays one call, and returns what the program says of it."""

    def run(call: dict[str, Any], **changes: Any) -> dict[str, Any]:
        file = tmp_path / "replay.json"
        file.write_text(json.dumps({"agent": agent(**changes), "calls": [call]}))
        assert main(["replay", str(file), "--json"]) == 0
        [result] = json.loads(capsys.readouterr().out)["scripts"]
        found: dict[str, Any] = result
        return found

    return run


HELD = [
    turn_at("00", "callee", "Hello?", "01"),
    turn_at("02", "agent", FIRST_WORDS, "04"),
    turn_at("05", "callee", "Well,", "06"),
    turn_at("06", "callee", "how about Friday?", "07"),
    moved("08"),
    turn_at("09", "agent", "It is moved.", "10"),
    turn_at("22", "agent", "Are you still there?", "23"),
    turn_at("24", "callee", "What?", "25"),
    turn_at("26", "agent", "Pardon?", "27"),
    {"type": "dtmf", "at": "2026-11-29T10:00:28Z", "digits": "1"},
    turn_at("30", "agent", "Pardon?", "31"),
]
MOVE = {"name": "move", "arguments": {"day": "Friday"}}
EXCHANGES = [
    {
        "callee": act(says="Hello?"),
        "then": answer(FIRST_WORDS),
        "now": answer(FIRST_WORDS),
        "different": False,
    },
    {
        "callee": act(says="Well, how about Friday?"),
        "then": answer("It is moved.", tools=[MOVE]),
        "now": answer("It is moved.", tools=[MOVE]),
        "different": False,
    },
    {
        "callee": act(silence=12.0),
        "then": answer("Are you still there?"),
        "now": answer(),
        "different": True,
    },
    {
        "callee": act(says="What?"),
        "then": answer("Pardon?"),
        "now": answer("Pardon?"),
        "different": False,
    },
    {
        "callee": act(digits="1"),
        "then": answer("Pardon?"),
        "now": answer("Pardon?"),
        "different": False,
    },
    {
        "callee": act(hangs_up=True),
        "then": answer(),
        "now": answer(),
        "different": False,
    },
]


def test_each_thing_that_the_callee_did_has_both_answers(replayed: Any) -> None:
    result = replayed(recorded(HELD), silence={"remind_after_seconds": 20, "reminders": 1})

    assert result["replay"] == {
        "call_id": "7",
        "then": {
            "agent_version": 3,
            "end_reason": "callee_hangup",
            "turns": [
                {"role": event["role"], "text": event["text"]}
                for event in HELD
                if event["type"] == "turn"
            ],
            "tools": [MOVE],
        },
        "exchanges": EXCHANGES,
        "differences": ["words"],
    }
    assert (result["label"], result["end_reason"], result["failures"]) == ("7", "callee_hangup", [])


def test_a_draft_that_ends_the_call_earlier_hears_no_more(replayed: Any) -> None:
    rules = [{"hears": "friday", "says": "Goodbye.", "tool": "end_call"}]

    result = replayed(recorded(HELD), llm={"provider": "local", "rules": rules})

    ended = {"name": "end_call", "arguments": {}}
    replay = result["replay"]
    assert [exchange["now"] for exchange in replay["exchanges"]] == [
        answer(FIRST_WORDS),
        answer("Goodbye.", tools=[ended]),
        *[answer()] * 4,
    ]
    assert replay["differences"] == ["words", "tools", "end_reason"]
    assert (result["end_reason"], result["passed"]) == ("agent_hangup", True)


def test_tools_and_transfers_fail_as_they_did(replayed: Any) -> None:
    transfer = {"type": "transfer", "at": "2026-11-29T10:00:12Z", "status": "failed"}
    held = [
        turn_at("00", "agent", FIRST_WORDS, "02"),
        turn_at("03", "callee", "How about Friday?", "04"),
        moved("05", result="The other system answered 500", failed=True),
        turn_at("06", "agent", "That did not work.", "07"),
        turn_at("08", "callee", "Then somebody else", "09"),
        {**transfer, "to": "+12025550170"},
        turn_at("13", "agent", "Nobody is free.", "14"),
    ]

    result = replayed(recorded(held))

    exchanges = result["replay"]["exchanges"]
    assert [exchange["now"]["says"] for exchange in exchanges] == [
        [FIRST_WORDS],
        ["That did not work."],
        ["Nobody is free."],
        [],
    ]


def test_a_callee_who_fell_silent_is_silent_again(replayed: Any) -> None:
    held = [turn_at("00", "agent", FIRST_WORDS, "02")]
    call = recorded(held, end_reason="silence", ended_at="2026-11-29T10:00:32.7Z")

    result = replayed(call, silence_timeout_seconds=30)

    assert result["replay"]["exchanges"][1]["callee"] == act(silence=31.0)
    assert (result["end_reason"], result["replay"]["differences"]) == ("silence", [])


def test_the_terminal_has_both_side_by_side(
    agent: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "replay.json"
    held = [
        turn_at("00", "agent", FIRST_WORDS, "02"),
        turn_at("03", "callee", "How about Friday?", "04"),
        turn_at("05", "agent", "Yes.", "06"),
    ]
    file.write_text(json.dumps({"agent": agent(), "calls": [recorded(held)]}))

    assert main(["replay", str(file)]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "--- 7: differs in words, tools",
        "  callee: (answers)",
        f"    both: {FIRST_WORDS}",
        "  callee: How about Friday?",
        "    then: Yes.",
        "     now: That did not work. (move {'day': 'Friday'})",
        "  callee: (hangs up)",
        "    both: (nothing)",
        "  ended by callee_hangup then, by callee_hangup now",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([], "an object with `agent` and `calls` is expected"),
        ({"agent": {}, "calls": []}, "`calls` is a list with at least one call"),
        ({"agent": {}, "calls": [{"call_id": "7"}]}, "a call cannot be read: 'events'"),
    ],
)
def test_a_file_without_calls_is_refused_with_its_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: Any, problem: str
) -> None:
    file = tmp_path / "replay.json"
    file.write_text(json.dumps(content))

    assert main(["replay", str(file)]) == 2
    assert capsys.readouterr().err == f"{file}: {problem}\n"
