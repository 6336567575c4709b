import json
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIConnectionError
from livekit.agents.testing import fake_job_context

from voice.command_line import main
from voice.conversation.analysis import AnalysisError, analyse, read_question
from voice.providers.rules import RuleLLM, read_rules

TURNS = [{"role": "agent", "text": "Does it suit you?"}, {"role": "callee", "text": "Yes"}]
ASKED = {"summary": True, "fields": [{"name": "confirmed", "type": "boolean"}]}
GOOD = '{"confirmed": true, "summary": "It was confirmed."}'


def model(*answers: str) -> RuleLLM:
    """A model that gives the first answer, and the second when the first was refused."""
    rules = [{"hears": "is not valid", "says": answers[-1]}] if len(answers) > 1 else []
    return RuleLLM(rules=read_rules(rules), otherwise=answers[0])


async def ask(*answers: str) -> dict[str, Any]:
    question = read_question(ASKED)
    assert question is not None
    with fake_job_context():
        return await analyse(question, TURNS, model(*answers))


async def test_fields_and_summary_are_validated_by_their_schema() -> None:
    assert await ask(f"Here it is: {GOOD}") == {
        "summary": "It was confirmed.",
        "fields": {"confirmed": True},
    }


@pytest.mark.parametrize("wrong", ["I cannot.", "{", '{"confirmed": "yes", "summary": "a"}', "{}"])
async def test_a_wrong_answer_may_be_corrected_once(wrong: str) -> None:
    assert (await ask(wrong, GOOD))["fields"] == {"confirmed": True}


async def test_what_stays_wrong_is_a_failure_in_words() -> None:
    with pytest.raises(AnalysisError) as caught:
        await ask('{"confirmed": "yes", "summary": "a"}')

    assert str(caught.value) == (
        "The model did not answer as asked: confirmed: 'yes' is not of type 'boolean'"
    )


@pytest.mark.parametrize("ref", ["http://169.254.169.254/latest", "file:///etc/hostname"])
async def test_a_schema_is_not_fetched_from_elsewhere(
    ref: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[object] = []
    monkeypatch.setattr("urllib.request.urlopen", fetched.append)
    question = read_question({"fields": [{"name": "confirmed", "$ref": ref}]})
    assert question is not None

    with fake_job_context(), pytest.raises(AnalysisError, match=f"refers to {ref}"):
        await analyse(question, TURNS, model('{"confirmed": true}'))
    assert fetched == []


def test_an_agent_that_asks_nothing_has_no_question() -> None:
    assert read_question({}) is None
    assert read_question({"summary": False, "fields": []}) is None


def test_a_transcript_is_analysed_again_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "call.json"
    llm = {"provider": "local", "otherwise": GOOD}
    file.write_text(json.dumps({"agent": {"llm": llm, "analysis": ASKED}, "turns": TURNS}))

    assert main(["analyse", str(file)]) == 0
    assert json.loads(capsys.readouterr().out)["fields"] == {"confirmed": True}


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ({"turns": TURNS}, "`agent` must be a configuration, with its `analysis`"),
        ({"agent": {"analysis": 3}, "turns": TURNS}, "`agent` must be a configuration"),
        ({"agent": {"analysis": ASKED}}, "`turns` must be a list of {role: agent or callee, text}"),
        ({"agent": {"analysis": ASKED}, "turns": [{"role": "x", "text": 1}]}, "`turns` must be"),
        ({"agent": {}, "turns": TURNS}, "The agent's `analysis` asks for nothing"),
    ],
)
def test_a_file_that_is_no_call_is_refused_in_a_sentence(
    call: dict[str, Any], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "call.json"
    file.write_text(json.dumps(call))

    assert main(["analyse", str(file)]) == 2
    assert sentence in capsys.readouterr().err


def test_a_model_that_cannot_be_asked_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise APIConnectionError("nobody listens", retryable=False)

    monkeypatch.setattr("voice.analyse.analyse", refuse)
    file = tmp_path / "call.json"
    file.write_text(json.dumps({"agent": {"analysis": ASKED}, "turns": TURNS}))

    assert main(["analyse", str(file)]) == 1
    assert capsys.readouterr().err == "The model could not be asked: nobody listens\n"
