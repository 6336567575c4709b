"""What an agent wants to know about a call afterwards: a summary, and fields by JSON Schema.

The model answers with JSON, which is validated; once it may correct itself. What stays wrong is a
failure in words, never a guess.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema
from livekit.agents import llm
from referencing import Registry
from referencing.exceptions import Unresolvable

MAX_ANSWER_ATTEMPTS = 2
OBJECT = re.compile(r"\{.*\}", re.DOTALL)
PROMPT = (
    "You analyse the transcript of a telephone call between an agent and a callee. Answer with one "
    "JSON object that satisfies this JSON Schema, and with nothing else. A field that the "
    "transcript does not answer is null, if it may be.\n\n{schema}\n\nTranscript:\n{transcript}"
)


class AnalysisError(Exception):
    """The model did not answer with what was asked for, in one sentence."""


@dataclass(frozen=True)
class Question:
    """What is asked about a call; `fields` are the schemas by name."""

    has_summary: bool
    fields: Mapping[str, Mapping[str, Any]]

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of an answer."""
        properties: dict[str, Any] = {name: dict(field) for name, field in self.fields.items()}
        if self.has_summary:
            properties["summary"] = {"type": "string", "description": "one or two sentences"}
        return {"type": "object", "properties": properties, "required": list(properties)}


def read_question(analysis: Mapping[str, Any]) -> Question | None:
    """Return what an agent's `analysis` asks, or None when it asks nothing."""
    items = [field for field in analysis.get("fields") or [] if isinstance(field, Mapping)]
    names = [str(item.get("name") or item.get("title") or "") for item in items]
    fields = {
        name or f"field_{number}": {key: value for key, value in item.items() if key != "name"}
        for number, (name, item) in enumerate(zip(names, items, strict=True), start=1)
    }
    question = Question(has_summary=bool(analysis.get("summary")), fields=fields)
    return question if question.has_summary or question.fields else None


async def analyse(
    question: Question, turns: Sequence[Mapping[str, Any]], model: "llm.LLM[Any]"
) -> dict[str, Any]:
    """Return `{summary, fields}`, as far as they were asked for. Raises AnalysisError."""
    transcript = "\n".join(f"{turn['role']}: {turn['text']}" for turn in turns)
    schema = json.dumps(question.schema, ensure_ascii=False)
    context = llm.ChatContext()
    context.add_message(role="user", content=PROMPT.format(schema=schema, transcript=transcript))
    fault = ""
    for _ in range(MAX_ANSWER_ATTEMPTS):
        text = (await model.chat(chat_ctx=context).collect()).text
        fault, answer = _validate(text, question.schema)
        if answer is not None:
            summary = answer.pop("summary", None) if question.has_summary else None
            return {**({"summary": summary} if question.has_summary else {}), "fields": answer}
        context.add_message(role="assistant", content=text or "(nothing)")
        context.add_message(role="user", content=f"That is not valid: {fault}. Answer again.")
    raise AnalysisError(f"The model did not answer as asked: {fault}")


def _validate(text: str, schema: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """Return what is wrong with an answer, and the answer if nothing is."""
    found = OBJECT.search(text)
    try:
        answer = json.loads(found[0]) if found else None
        if not isinstance(answer, dict):
            return "no JSON object", None
        _check(answer, schema)
    except ValueError as error:
        return f"no JSON ({error})", None
    except jsonschema.ValidationError as error:
        place = "/".join(str(part) for part in error.absolute_path) or "the object"
        return f"{place}: {error.message}"[:300], None
    except jsonschema.SchemaError as error:
        return f"the agent's schema cannot be used: {error.message}"[:300], None
    except Unresolvable as error:
        return f"the agent's schema refers to {error.ref}, which is not in it"[:300], None
    return "", answer


def _check(answer: Any, schema: Mapping[str, Any]) -> None:
    """Raises ValidationError, SchemaError, and Unresolvable for a reference out of the schema."""
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(dict(schema))
    # With the library's own registry, a `$ref` would be fetched from wherever it points.
    checked = validator(schema, registry=Registry())
    error = jsonschema.exceptions.best_match(checked.iter_errors(answer))
    if error is not None:
        raise error
