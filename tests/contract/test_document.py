"""The OpenAPI document is complete: words, examples and errors of every operation."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

from telephony.serializers.calls import CallSerializer
from tests.contract.test_description import described, strict
from voiceops.api.error_codes import find_error
from voiceops.api.schema_types import parts_of
from webhooks.models import EVENTS, TEST_EVENT


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    document = described()
    for methods in (*document["paths"].values(), *document["webhooks"].values()):
        for operation in methods.values():
            yield operation["operationId"], operation


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The bodies of an operation: what it is of, the media type, the content."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield "request", media_type, content
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            yield status, media_type, content


def test_every_operation_has_a_summary_and_a_description() -> None:
    silent = [
        name
        for name, operation in operations()
        if not operation.get("summary")
        or operation["summary"].endswith(".")
        or not operation.get("description", "").endswith(".")
    ]

    assert silent == []


def test_every_method_of_a_kit_has_a_name_of_its_own() -> None:
    # `agents_versions_list` is `agents.versions` there (`kits/python/generate.py`).
    names = Counter(name.removesuffix("_list") for name, _ in operations())

    assert [name for name, count in names.items() if count > 1] == []


def test_types_are_described_for_users() -> None:
    texts = {
        name: schema.get("description", "")
        for name, schema in described()["components"]["schemas"].items()
    }
    internal = ("serializer", "annotation", "column", "context", "refetch", "by hand")

    assert [name for name, text in texts.items() if any(word in text for word in internal)] == []


def test_every_body_has_an_example() -> None:
    bare = [
        f"{name} {of} {media_type}"
        for name, operation in operations()
        for of, media_type, content in contents(operation)
        if not content.get("examples") and "example" not in content
    ]

    assert bare == []


def test_examples_fit_their_types() -> None:
    checker = FormatChecker()
    components = strict(described()["components"])
    wrong = {}
    for name, operation in operations():
        for of, media_type, content in contents(operation):
            schema = {**strict(content["schema"]), "components": components}
            validator = Draft202012Validator(schema, format_checker=checker)
            values = [each["value"] for each in content.get("examples", {}).values()]
            if "example" in content:
                values.append(content["example"])
            for value in values:
                for error in validator.iter_errors(value):
                    wrong[f"{name} {of} {media_type} {[*error.absolute_path]}"] = error.message

    assert wrong == {}


def test_every_error_has_its_sentence_its_code_and_what_causes_it() -> None:
    checked = 0
    for name, operation in operations():
        for status, response in operation["responses"].items():
            if not status.startswith(("4", "5")) or "content" not in response:
                continue
            error_code = {"$ref": "#/components/headers/ErrorCode"}
            assert response["headers"]["Error-Code"] == error_code
            for code, example in response["content"]["application/json"]["examples"].items():
                sentence = example["value"]["detail"]
                if status != "422":
                    error = find_error(sentence)
                    assert error is not None, name
                    assert (error.code, str(error.status)) == (code, status)
                assert example["summary"]
                checked += 1
    assert checked > 500


def test_limits_and_their_headers_are_described_where_they_are_counted() -> None:
    rates = {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}
    for name, operation in operations():
        answers = operation["responses"]
        headers = {status: {*answer.get("headers", {})} for status, answer in answers.items()}
        if name.startswith(("calls_report", "livekit_", "voice_", "healthz", "readyz", "metrics")):
            assert "429" not in answers
        elif "default" in answers:  # and no webhook of ours
            assert headers["429"] == {"Error-Code", "Retry-After", *rates}, name
            assert all(rates <= headers[status] for status in headers if status[0] == "2"), name


def test_downloads_and_streams_are_texts_with_their_columns_and_types() -> None:
    paths = described()["paths"]
    results, rejected, calls = (
        paths[path]["get"]["responses"]["200"]["content"]["text/csv"]
        for path in ("/batches/{id}/results.csv", "/batches/{id}/rejected.csv", "/calls/export.csv")
    )
    progress = paths["/batches/{id}/progress"]["get"]["responses"]["200"]["content"]
    events = progress["text/event-stream"]

    assert [each["schema"] for each in (results, rejected, calls)] == [{"type": "string"}] * 3
    columns = [*csv.reader([calls["examples"]["example"]["value"].partition("\r\n")[0]])]
    assert columns == [CallSerializer.field_names()]
    assert events["x-item-schema"] == progress["application/json"]["schema"]
    stream = events["examples"]["example"]["value"]
    data = json.loads(stream.partition("data: ")[2])
    assert data == progress["application/json"]["examples"]["example"]["value"]


def test_lists_that_can_be_walked_say_so() -> None:
    walked = {
        path
        for path, methods in described()["paths"].items()
        for parameter in methods.get("get", {}).get("parameters", ())
        if parameter["name"] == "after_id"
    }

    assert walked == {"/calls", "/calls/{id}/events", "/batches/{id}/recipients"}


def test_operations_have_ids_that_are_names_in_every_language() -> None:
    names = [name for name, _ in operations()]

    assert [name for name in names if not name.isidentifier() or name != name.lower()] == []
    assert len(names) == len(set(names))
    assert {"batches_create", "batches_get", "calls_hangup", "agents_replace"} <= set(names)


def test_every_event_has_the_type_of_its_body() -> None:
    webhooks = described()["webhooks"]

    assert [*webhooks] == [*EVENTS, TEST_EVENT]
    for event, methods in webhooks.items():
        [content] = methods["post"]["requestBody"]["content"].values()
        name = content["schema"]["$ref"].rpartition("/")[2]
        allowed = described()["components"]["schemas"][name]["properties"]["type"]["enum"]
        assert event in allowed


def test_null_is_a_type() -> None:
    parts = list(parts_of(described()))

    assert described()["openapi"].startswith("3.1")
    assert [part for part in parts if "nullable" in part] == []
    assert not [name for name in described()["components"]["schemas"] if "Null" in name]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Batch", "phone_number_id"),
        ("Batch", "calls_per_second"),
        ("Call", "outcome"),
        ("User", "default_workspace_id"),
        ("Me", "default_workspace_id"),
        ("Recipient", "next_attempt_at"),
    ],
)
def test_what_may_be_null_says_so(name: str, field: str) -> None:
    schema = described()["components"]["schemas"][name]["properties"][field]
    choices = schema.get("oneOf", [schema])

    assert any("null" in choice.get("type", "") for choice in choices)


def test_a_list_is_uploaded_as_a_file_or_as_json() -> None:
    body = described()["paths"]["/batches"]["post"]["requestBody"]["content"]
    schemas = described()["components"]["schemas"]
    fields = {
        media_type: schemas[content["schema"]["$ref"].rpartition("/")[2]]["properties"]
        for media_type, content in body.items()
    }

    form, json = fields["multipart/form-data"], fields["application/json"]
    assert (form["file"]["type"], form["file"]["format"]) == ("string", "binary")
    assert ("recipients" in form, "file" in json) == (False, False)
    assert json["recipients"]["type"] == "array"


def test_the_introduction_has_its_pages() -> None:
    text = described()["info"]["description"]
    titles = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]

    assert titles == [
        "Start",
        "Authentication",
        "Workspaces and roles",
        "Errors",
        "Pagination",
        "Idempotency",
        "Webhooks",
        "Rate limits",
        "The sandbox",
    ]
