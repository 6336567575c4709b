"""Conversations as text, with the real session, a model of rules and tools without network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from voice.command_line import main
from voice.conversation.session import pronunciations
from voice.rehearsal.script import ScriptError, read_rehearsal
from voice.rehearsal.verdict import Result

Play = Callable[..., Any]


def turns(result: Result) -> list[tuple[str, str]]:
    return [(event["role"], event["text"]) for event in result.events if event["type"] == "turn"]


def of_type(result: Result, kind: str) -> list[dict[str, Any]]:
    hidden = ("id", "at", "call_id", "seconds")
    return [
        {name: value for name, value in event.items() if name not in hidden}
        for event in result.events
        if event["type"] == kind
    ]


async def test_the_opening_is_spoken_once_before_any_reply(play: Play) -> None:
    result = await play({"greeting": "Yes, this is Maria", "caller": ["What?"]})

    assert turns(result) == [
        ("callee", "Yes, this is Maria"),
        ("agent", "Hello Maria, does Tuesday suit you?"),
        ("callee", "What?"),
        ("agent", "Pardon?"),
    ]


async def test_an_agent_that_waits_answers_the_greeting(play: Play) -> None:
    result = await play({"greeting": "How about Friday?"}, first_message_mode="wait")

    assert turns(result)[:1] == [("callee", "How about Friday?")]
    assert turns(result)[1:] == [("agent", "That did not work.")]


async def test_a_tool_without_an_answer_fails_and_the_talk_goes_on(play: Play) -> None:
    result = await play({"caller": ["How about Friday?", "Yes"]})

    assert turns(result)[-3:] == [
        ("agent", "That did not work."),
        ("callee", "Yes"),
        ("agent", "Good. Goodbye."),
    ]
    assert of_type(result, "tool_call") == [
        {
            "type": "tool_call",
            "name": "move",
            "arguments": {"day": "Friday"},
            "result": "This rehearsal has no answer for the tool",
            "failed": True,
        },
        {"type": "tool_call", "name": "end_call", "arguments": {}, "result": "", "failed": False},
    ]
    assert result.reason == "agent_hangup"


async def test_a_tool_answers_as_scripted(play: Play) -> None:
    result = await play({"caller": ["How about Friday?"], "tools": {"move": {"result": "moved"}}})

    assert turns(result)[-1] == ("agent", "It is moved.")
    assert of_type(result, "tool_call")[0]["result"] == "moved"


async def test_an_opt_out_is_reported_before_the_callee_is_answered(play: Play) -> None:
    result = await play({"caller": ["Take me off your list"]})

    kinds = [event["type"] for event in result.events]
    assert kinds[-3:] == ["tool_call", "turn", "usage"]
    assert of_type(result, "tool_call") == [
        {"type": "tool_call", "name": "opt_out", "arguments": {}}
    ]
    assert turns(result)[-1] == ("agent", "You will not be called again.")
    assert result.reason == "agent_hangup"


async def test_a_call_is_ended_once_however_often_the_model_asks_for_it(play: Play) -> None:
    rules = [{"hears": ".", "says": "Goodbye.", "tool": "end_call"}]
    result = await play({"caller": ["Yes", "Yes again"]}, llm={"provider": "local", "rules": rules})

    assert [text for role, text in turns(result) if text == "Goodbye."] == ["Goodbye."]
    assert result.failures == ["the call was over before 'Yes again'"]


async def test_a_failed_transfer_is_reported_to_the_model_and_the_talk_goes_on(play: Play) -> None:
    script = {
        "caller": ["I want somebody else", "How about Friday?"],
        "transfers": {"+12025550170": "the line is busy"},
    }
    result = await play(script)

    assert turns(result)[-3:] == [
        ("agent", "Nobody is free."),
        ("callee", "How about Friday?"),
        ("agent", "That did not work."),
    ]
    assert of_type(result, "transfer") == [
        {
            "type": "transfer",
            "to": "+12025550170",
            "status": "failed",
            "sip_status_code": None,
        }
    ]
    assert of_type(result, "tool_call")[0]["result"] == (
        "The transfer did not succeed: the line is busy. The callee is still here"
    )


async def test_a_transfer_that_succeeds_ends_the_agents_part(play: Play) -> None:
    result = await play({"caller": ["I want somebody else"]})

    assert result.reason == "transferred"
    assert of_type(result, "transfer")[0]["status"] == "transferred"


@pytest.mark.parametrize(
    ("voicemail", "spoken", "left"),
    [
        ({"action": "hang_up"}, [], []),
        (
            {"action": "leave_message", "message": "Call us, {{name}}."},
            [("agent", "Call us, Maria.")],
            [{"type": "message_left", "complete": True}],
        ),
    ],
)
async def test_machines_are_met_as_configured(
    play: Play, voicemail: dict[str, Any], spoken: list[Any], left: list[Any]
) -> None:
    greeting = "Please leave a message after the tone"
    result = await play({"answers": "machine", "greeting": greeting}, voicemail=voicemail)

    assert turns(result) == [("callee", greeting), *spoken]
    assert of_type(result, "message_left") == left
    assert of_type(result, "detected") == [
        {"type": "detected", "kind": "machine", "reason": "greeting", "transcript": greeting}
    ]
    assert result.reason == "voicemail"


async def test_an_agent_may_continue_with_a_machine(play: Play) -> None:
    greeting = "Please leave a message after the tone"
    result = await play({"greeting": greeting}, voicemail={"action": "continue"})

    assert turns(result)[1] == ("agent", "Hello Maria, does Tuesday suit you?")


async def test_a_screener_is_answered_with_identity_and_purpose(play: Play) -> None:
    greeting = "Please state your name and why you are calling"
    screening = {"identity": "This is the practice.", "purpose": "It is about an appointment."}
    result = await play({"greeting": greeting}, screening=screening)

    assert turns(result)[1:] == [
        ("agent", "This is the practice. It is about an appointment."),
    ]
    assert result.reason == "screened"


async def test_a_silent_callee_is_spoken_to_reminded_and_left(play: Play) -> None:
    silence = {"remind_after_seconds": 8, "reminders": 1, "text": "Are you there, {{name}}?"}
    script = {"answers": "silence", "caller": [{"silence": 40}], "end": "silence"}
    result = await play(script, silence=silence)

    assert turns(result) == [
        ("agent", "Hello Maria, does Tuesday suit you?"),
        ("agent", "Are you there, Maria?"),
    ]
    assert (result.reason, result.failures) == ("silence", [])


async def test_keys_that_the_callee_presses_reach_the_model(play: Play) -> None:
    rules = [{"hears": r"pressed (\d+)", "says": r"You pressed \1."}]
    result = await play({"caller": [{"digits": "12"}]}, llm={"provider": "local", "rules": rules})

    assert turns(result)[-1] == ("agent", "You pressed 12.")
    assert of_type(result, "dtmf") == [{"type": "dtmf", "digits": "12"}]


async def test_each_unmet_expectation_is_one_sentence(play: Play) -> None:
    expect = {"agent_says": "Monday", "tool": "move", "not_tool": "end_call"}
    script = {
        "caller": [{"says": "Yes", "expect": expect}],
        "never": ["goodbye"],
        "end": {"by": "callee", "within_turns": 1},
    }
    result = await play(script)

    assert result.failures == [
        "the agent did not say 'Monday', but 'Good. Goodbye.'",
        "the agent used end_call",
        "the agent did not use move, but end_call",
        "the agent said 'goodbye'",
        "the call was ended by the agent (agent_hangup)",
        "the agent spoke 2 times, not at most 1",
    ]


def test_a_file_with_a_mistake_names_its_place(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("agent: demo\nscripts: [{label: mine, caller: [{speaks: Hello}]}]\n")

    with pytest.raises(ScriptError, match=r"^mine: a step of `caller` has digits, expect, "):
        read_rehearsal(file)


def test_the_demo_agent_passes_its_rehearsal_from_the_command_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status = main(["rehearse", "--quiet", "--junit", str(tmp_path / "junit.xml")])

    assert status == 0
    assert capsys.readouterr().out.endswith("5 of 5 scripts passed\n")
    assert 'tests="5" failures="0"' in (tmp_path / "junit.xml").read_text()


def test_a_junit_file_that_cannot_be_written_is_named_after_the_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "missing" / "junit.xml"

    assert main(["rehearse", "--quiet", "--junit", str(file)]) == 2
    found = capsys.readouterr()
    assert "5 of 5 scripts passed" in found.out
    assert found.err == f"{file} cannot be written: No such file or directory\n"


def test_a_failing_script_is_exit_status_one(tmp_path: Path) -> None:
    file = tmp_path / "rehearsal.yaml"
    file.write_text("agent: demo\nscripts: [{caller: [{says: 'Yes', expect: {tool: opt_out}}]}]\n")

    assert main(["rehearse", "--quiet", str(file)]) == 1


async def test_a_tool_that_is_not_served_is_named_and_the_talk_goes_on(play: Play) -> None:
    tools = [{"type": "teleport", "name": "beam"}]
    result = await play({"caller": ["What?"]}, tools=tools)

    assert turns(result)[-1] == ("agent", "Pardon?")
    text = "The tool beam is of a type that this worker does not serve: teleport"
    assert of_type(result, "error") == [
        {"type": "error", "part": "tools", "provider": "beam", "text": text, "fallback": True}
    ]


async def test_a_rehearsal_answers_for_the_tools_of_an_mcp_server(play: Play) -> None:
    server = {"type": "mcp", "name": "crm", "url": "https://mcp.example.com/mcp"}
    rules = [{"hears": "orders", "tool": "count_orders", "then": "You have some."}]
    script = {"caller": ["My orders?"], "tools": {"count_orders": {"result": "3"}}}
    result = await play(script, tools=[server], llm={"provider": "local", "rules": rules})

    assert turns(result)[-1] == ("agent", "You have some.")
    assert of_type(result, "tool_call")[0]["result"] == "3"


async def test_a_menu_is_answered_with_keys_before_the_opening(play: Play) -> None:
    rules = [{"hears": "press one", "tool": "press", "arguments": {"digits": "1"}}]
    script = {"answers": "machine", "greeting": "For sales, press one"}
    tools = [{"type": "dtmf", "name": "press"}]
    result = await play(script, tools=tools, llm={"provider": "local", "rules": rules})

    assert of_type(result, "tool_call")[0]["result"] == "Pressed 1"
    assert turns(result)[1:] == [("agent", "Hello Maria, does Tuesday suit you?")]


async def test_a_colleague_is_called_into_the_call(play: Play) -> None:
    tool = {
        "type": "transfer_call",
        "name": "transfer",
        "method": "join",
        "destinations": [{"name": "desk", "number": "+12025550170"}],
    }
    result = await play({"caller": ["I want somebody else"]}, tools=[tool])

    assert of_type(result, "transfer")[0]["status"] == "transferred"
    assert turns(result)[-1] == ("callee", "I want somebody else")
    assert result.reason == "transferred"


async def test_only_its_destinations_are_called_into_a_call(play: Play) -> None:
    tool = {"type": "transfer_call", "name": "transfer", "method": "join"}
    rules = [{"hears": ".", "tool": "transfer", "arguments": {"number": "+12025550123"}}]
    result = await play(
        {"caller": ["Call my friend"]}, tools=[tool], llm={"provider": "local", "rules": rules}
    )

    assert of_type(result, "tool_call")[0]["result"] == "This tool has nobody to transfer to"
    assert of_type(result, "transfer") == []


def test_words_are_spoken_as_configured(config: Callable[..., Any]) -> None:
    pronunciation = [{"word": "Dr.", "say": "doctor"}, {"word": "Nguyen", "say": "win"}]

    found = pronunciations(config(tts={"provider": "local", "pronunciation": pronunciation}))

    assert found == {"Dr.": "doctor", "Nguyen": "win"}
