"""Scripts that need a model: callees by instructions, questions about a conversation, repeats."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from voice.command_line import main
from voice.rehearsal.repeats import rehearse_as_often_as_asked
from voice.rehearsal.script import ScriptError, Step, read_rehearsal
from voice.rehearsal.simulator import read_answer
from voice.rehearsal.verdict import Result
from voice.tests.test_rehearsal import turns

NEEDS_MODEL = (
    "needs a model that is not of rules: name one in `simulator` of the scripts, or set "
    "VOICE_OPENAI_BASE_URL for the worker"
)


class ModelServer:
    """A server with OpenAI's protocol, which answers with `answers` in their order."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.requests: list[Any] = []

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((await request.json())["messages"])
        if not self.answers:
            return web.json_response({"error": {"message": "spent"}}, status=400)
        text = self.answers.pop(0)
        choice = {"index": 0, "delta": {"role": "assistant", "content": text}}
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for choices in ([choice], [{"index": 0, "delta": {}, "finish_reason": "stop"}]):
            await response.write(f"data: {json.dumps({**chunk, 'choices': choices})}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModelServer]:
    server = ModelServer()
    application = web.Application()
    application.router.add_post("/v1/chat/completions", server.complete)
    async with TestServer(application) as running:
        monkeypatch.setenv("VOICE_OPENAI_BASE_URL", str(running.make_url("/v1")))
        yield server


@pytest.fixture
def play(agent: Callable[..., dict[str, Any]], tmp_path: Path) -> Callable[..., Any]:
    async def rehearse(script: dict[str, Any], mode: str = "text") -> Result:
        file = tmp_path / "rehearsal.json"
        variables = {"name": "Maria"}
        data = {"agent": agent(), "variables": variables, "scripts": [{"label": "it", **script}]}
        file.write_text(json.dumps(data))
        rehearsal = read_rehearsal(file)
        return await rehearse_as_often_as_asked(
            rehearsal, rehearsal.scripts[0], mode=mode, by_telephone=True
        )

    return rehearse


async def test_a_callee_by_instructions_talks_until_the_call_is_over(
    play: Callable[..., Any], model: ModelServer
) -> None:
    model.answers = ["What is this about?", "Yes, that suits me."]

    result = await play({"instructions": "You are {{name}}.", "end": {"by": "agent"}})

    assert result.failures == []
    assert turns(result) == [
        ("callee", "Hello?"),
        ("agent", "Hello Maria, does Tuesday suit you?"),
        ("callee", "What is this about?"),
        ("agent", "Pardon?"),
        ("callee", "Yes, that suits me."),
        ("agent", "Good. Goodbye."),
    ]
    system, *rest = model.requests[1]
    assert "You are Maria." in system["content"]
    assert [(message["role"], message["content"]) for message in rest] == [
        ("assistant", "Hello?"),
        ("user", "Hello Maria, does Tuesday suit you?"),
        ("assistant", "What is this about?"),
        ("user", "Pardon?"),
    ]


async def test_such_a_callee_may_hang_up_and_is_bounded(
    play: Callable[..., Any], model: ModelServer
) -> None:
    model.answers = ["No, thanks. [hangs up]", "Hm?", "[silent]", "What?"]

    left = await play({"instructions": "Be short."})
    endless = await play({"instructions": "Be long.", "max_turns": 3})
    failed = await play({"instructions": "Be gone."})

    assert (left.failures, left.reason) == ([], "callee_hangup")
    assert endless.failures == ["the call was not over after 3 turns of the callee"]
    assert failed.failures[0].startswith("the model that plays the callee failed: ")


async def test_a_model_is_asked_last_and_for_what_is_right_otherwise_only(
    play: Callable[..., Any], model: ModelServer
) -> None:
    met = {"met": True, "reason": "It is."}
    answers = {"criterion_2": {"met": False, "reason": "It was curt."}, "criterion_1": met}
    script = {"caller": ["Yes"], "judge": ["the day was confirmed", "it was polite"]}
    model.answers = [json.dumps(answers), json.dumps({"criterion_1": met, "criterion_2": met})]

    unmet = await play(script)
    passed = await play(script)
    wrong = await play({**script, "never": "Goodbye"})
    asked = len(model.requests)
    unanswered = await play(script)

    assert unmet.failures == ["not met: it was polite: It was curt."]
    assert passed.passed
    assert wrong.failures == ["the agent said 'Goodbye'"]
    assert asked == 2
    assert "tool used by the agent: end_call {}" in model.requests[0][0]["content"]
    assert len(unanswered.failures) == 1
    assert unanswered.failures[0].startswith("the model that was asked about the conversation")


async def test_a_script_is_repeated_until_its_verdict_is_certain(
    play: Callable[..., Any], model: ModelServer
) -> None:
    script = {"instructions": "Decide.", "end": {"by": "agent"}, "repeat": 5, "pass": 3}
    good, bad = "Yes.", "No. [hangs up]"
    model.answers = [good, bad, good, good]
    passed = await play(script)
    model.answers = [bad, good, bad, bad, good]
    failed = await play(script)

    assert (passed.passed, passed.runs, passed.passed_runs) == (True, 4, 3)
    assert (failed.runs, failed.passed_runs) == (4, 1)
    assert failed.failures == [
        "1 of 4 runs passed, and 3 of 5 must",
        "the call was ended by the callee (callee_hangup)",
    ]
    assert model.answers == [good]


@pytest.mark.parametrize(
    ("script", "mode", "sentence"),
    [
        ({"instructions": "Be Maria."}, "text", f"`instructions` {NEEDS_MODEL}"),
        ({"judge": "it was polite"}, "text", f"`judge` {NEEDS_MODEL}"),
        (
            {"instructions": "Be Maria."},
            "audio",
            "A callee with `instructions` may say anything, and the ears of this agent know "
            "phrases only: rehearse it in text, or with the model whisper of `stt`",
        ),
    ],
)
async def test_what_needs_a_model_where_none_is_is_not_run(
    script: dict[str, Any], mode: str, sentence: str, play: Callable[..., Any]
) -> None:
    result = await play(script, mode)

    assert (result.not_run, result.failures, result.passed) == (sentence, [], False)


def test_the_others_are_played_and_decide(
    agent: Callable[..., dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:

    file, report = tmp_path / "rehearsal.json", tmp_path / "report.xml"
    scripts = [
        {"label": "by rules", "caller": ["Yes"], "repeat": 2},
        {"label": "by a model", "judge": "it was polite"},
    ]
    file.write_text(json.dumps({"agent": agent(), "scripts": scripts}))

    status = main(["rehearse", str(file), "--quiet", "--junit", str(report)])
    alone = main(["rehearse", str(file), "--quiet", "--script", "by a model"])

    output = capsys.readouterr().out
    assert (status, alone) == (0, 2)
    assert f"not run by a model  `judge` {NEEDS_MODEL}" in output
    assert "1 of 2 scripts passed, 1 not run" in output
    assert 'failures="0" skipped="1"' in report.read_text()


@pytest.mark.parametrize(
    ("answer", "steps"),
    [
        ('"Yes, please."', [Step(text="Yes, please.")]),
        ("Bye. [Hang up]", [Step(text="Bye."), Step(hangs_up=True)]),
        ("[silent]", [Step(silence=10.0)]),
        ("", [Step(silence=10.0)]),
    ],
)
def test_the_words_of_the_model_become_steps(answer: str, steps: list[Step]) -> None:
    assert read_answer(answer) == steps


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ({"repeat": 0}, "`repeat` is a whole number from 1 to 20"),
        ({"repeat": 3, "pass": 4}, "`pass` is a whole number from 1 to 3"),
        ({"max_turns": "many"}, "`max_turns` is a whole number from 1 to 40"),
        ({"max_seconds": 1000}, "`max_seconds` is a whole number from 1 to 300"),
    ],
)
def test_counts_that_cannot_be_are_refused(
    script: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    file = tmp_path / "rehearsal.json"
    file.write_text(json.dumps({"scripts": [{"label": "it", **script}]}))

    with pytest.raises(ScriptError, match=f"^it: {sentence}$"):
        read_rehearsal(file)
