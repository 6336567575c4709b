"""Completes the OpenAPI document: words, examples, errors and headers of every operation."""

from pathlib import Path
from typing import Any

from voiceops.api.answer_headers import RATE_LIMIT_HEADERS
from voiceops.api.document_errors import describe_errors, is_limited
from voiceops.api.field_texts import describe_fields
from voiceops.api.operations import EXAMPLES, OPERATIONS, TAGS, Operation, registered
from voiceops.api.schema import ROLE
from voiceops.api.schema_types import REF
from voiceops.core.json_text import dump_json

TEXT = {"type": "string"}
INTRODUCTION_PAGES = Path(__file__).with_name("introduction")
FIELD_ERROR = {
    "type": "object",
    "description": "A field that was refused.",
    "required": ["loc", "msg", "type"],
    "properties": {
        "loc": {
            "type": "array",
            "items": {"type": ["string", "integer"]},
            "description": "`body` or `query`, then the path to the field.",
        },
        "msg": {**TEXT, "description": "What is wrong with it."},
        "type": {**TEXT, "description": "The kind of mistake, such as `value_error.missing`."},
    },
}
TYPES = {
    "Detail": {
        "type": "object",
        "description": "A sentence.",
        "required": ["detail"],
        "properties": {"detail": TEXT},
    },
    "Error": {
        "type": "object",
        "description": "What went wrong, as a sentence; the header `Error-Code` names it.",
        "required": ["detail"],
        "properties": {"detail": TEXT},
    },
    "FieldError": FIELD_ERROR,
    "ValidationErrors": {
        "type": "object",
        "description": "Every field that was refused.",
        "required": ["detail"],
        "properties": {
            "detail": {"type": "array", "items": {"$ref": f"{REF}FieldError"}},
        },
    },
}
WORKSPACE_PARAMETER = {
    "name": "X-Workspace-ID",
    "in": "header",
    "schema": {"type": "string", "format": "uuid"},
    "description": "With a JWT: the workspace to use instead of the default one.",
}
IDEMPOTENCY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 255},
    "description": "The same key and body within 24 hours get the first response again.",
}
EVENT_TYPE = "Progress"  # of the only stream of events
ANSWER_HEADERS = {
    "ErrorCode": {
        "description": "The error for programs; the codes never change.",
        "schema": TEXT,
    },
    "Retry-After": {
        "description": "The seconds after which the request may be sent again.",
        "schema": {"type": "integer"},
    },
    **{
        name: {
            "description": f"{text} Only where the operator has set limits.",
            "schema": {"type": "integer"},
        }
        for name, text in RATE_LIMIT_HEADERS.items()
    },
}
# What the parts of paths are, where a serializer does not say it.
PATH_TEXTS = {
    "id": "The id of the object.",
    "workspace_id": "The id of the workspace.",
    "user_id": "The id of the user.",
    "rehearsal_id": "The id of the rehearsal.",
    "recipient_id": "The id of the recipient.",
    "delivery_id": "The id of the delivery.",
}


def complete_document(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """A postprocessing hook, the last but those that add what the generator does not see."""
    result["info"]["description"] = introduction()
    result["components"]["schemas"].update(TYPES)
    operations, examples = registered(OPERATIONS), _examples(result["components"]["schemas"])
    for path, methods in result["paths"].items():
        for method, operation in methods.items():
            words = operations[operation["operationId"]]
            operation.setdefault("security", [])  # the generator leaves out that there is none
            _describe(operation, words)
            _add_headers(operation, method)
            _answer_deletions(operation)
            describe_errors(operation, method, path, words)
            _add_examples(operation, words, examples)
            _add_answer_headers(operation)
            _type_event_stream(operation)
    describe_fields(result)
    result["components"]["headers"] = ANSWER_HEADERS
    everything = [each for methods in result["paths"].values() for each in methods.values()]
    used = {tag for operation in everything for tag in operation["tags"]}
    tags = registered(TAGS)
    result["tags"] = [{"name": name, "description": tags[name]} for name in sorted(used)]
    return result


def introduction() -> str:
    """Return the pages that the document begins with."""
    pages = sorted(INTRODUCTION_PAGES.glob("*.md"))
    return "\n".join(page.read_text() for page in pages).strip()


def _describe(operation: dict[str, Any], words: Operation) -> None:
    role = operation.get(ROLE)
    needed = f"\n\nNeeds the role **{role}**." if role else ""
    operation["summary"] = words.summary
    operation["description"] = f"{words.description}{needed}"
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            parameter["description"] = PATH_TEXTS[parameter["name"]]


def _add_headers(operation: dict[str, Any], method: str) -> None:
    headers = [IDEMPOTENCY_PARAMETER] if method == "post" else []
    if operation.get("security") and not is_public(operation):
        headers = [WORKSPACE_PARAMETER, *headers]
    if headers:
        operation["parameters"] = [*operation.get("parameters", []), *headers]


def is_public(operation: dict[str, Any]) -> bool:
    """Whether an operation needs no credentials."""
    return operation.get("security") in ([], [{}])


def _answer_deletions(operation: dict[str, Any]) -> None:
    # The generator expects Django's empty 204; ours is a 200 with a body.
    responses = operation["responses"]
    if responses.pop("204", None) is not None:
        content = {"application/json": {"schema": {"$ref": f"{REF}Detail"}}}
        responses["200"] = {"description": "Deleted", "content": content}


def _add_answer_headers(operation: dict[str, Any]) -> None:
    if not is_limited(operation):
        return
    for status, response in operation["responses"].items():
        names = [*RATE_LIMIT_HEADERS] if status == "429" or status.startswith("2") else []
        names += ["Retry-After"] if status in ("429", "503") else []
        headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        if headers:
            response["headers"] = {**response.get("headers", {}), **headers}


def _type_event_stream(operation: dict[str, Any]) -> None:
    # OpenAPI 3.1 knows texts only; 3.2 has `itemSchema` for what each `data:` is.
    stream = operation["responses"].get("200", {}).get("content", {}).get("text/event-stream")
    if stream is not None:
        stream["schema"]["description"] = f"Server-sent events; `data` of each is a `{EVENT_TYPE}`."
        stream["x-item-schema"] = {"$ref": f"{REF}{EVENT_TYPE}"}


def _examples(schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the registered examples and those that follow from them, by type."""
    examples: dict[str, Any] = {"Detail": {"detail": "Deleted"}, **registered(EXAMPLES)}
    for name, schema in schemas.items():
        row = name.removesuffix("Page")
        answered = name.removesuffix("Request")
        if name in examples:
            continue
        if row in examples:
            page = {"total": 1, "page": 1, "page_size": 50, "total_pages": 1}
            examples[name] = {"items": [examples[row]], **page}
        elif answered in examples:
            fields = examples[answered]
            properties = schema["properties"]
            examples[name] = {key: value for key, value in fields.items() if key in properties}
    return examples


def _add_examples(operation: dict[str, Any], words: Operation, examples: dict[str, Any]) -> None:
    body = operation.get("requestBody", {}).get("content", {})
    answers = [
        content
        for status, response in operation["responses"].items()
        if status.startswith("2")
        for content in response.get("content", {}).items()
    ]
    for contents, own in ((body.items(), words.request), (answers, words.answer)):
        for media_type, content in contents:
            content.pop("examples", None)
            example = _example_of(media_type, content["schema"], examples) if own is None else own
            content["examples"] = {"example": {"summary": words.summary, "value": example}}


def _example_of(media_type: str, schema: dict[str, Any], examples: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return examples[schema["$ref"].removeprefix(REF)]
    if media_type == "text/event-stream":
        return f"retry: 2000\ndata: {dump_json(examples[EVENT_TYPE])}\n\n"
    return MEDIA_EXAMPLES[media_type]


MEDIA_EXAMPLES = {
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "(a workbook)",
    "text/plain": "voiceops_calls_total 120\n",
    "application/yaml": "scripts:\n- label: greets\n  caller:\n  - says: Hello\n",
}
