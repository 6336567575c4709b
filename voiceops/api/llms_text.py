"""`/llms.txt`: the API for language models, in a few thousand words (https://llmstxt.org).

Made once per process from the OpenAPI document, whose introduction and operations it contains in
short; for the rest it leads to the document.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition, require_safe

from voiceops.api.description import MAX_AGE_SECONDS, description_etag, render_description
from voiceops.api.schema import ROLE

LLMS_HEAD = """# VoiceOps

> Lets AI voice agents call lists of recipients, and accounts for every one of them: outcome,
> transcript and recording of each call. This is its REST API, in short.

- [OpenAPI document](openapi.json): every field, type, example and error of every operation
- [API reference](redoc): the same for people
"""


@csrf_exempt
@require_safe
@condition(etag_func=description_etag)
def describe_for_models(request: HttpRequest) -> HttpResponse:
    """The API in short, as Markdown; 304 for a client that has it already."""
    response = HttpResponse(render_llms_text(), content_type="text/plain; charset=utf-8")
    response.headers["Cache-Control"] = f"max-age={MAX_AGE_SECONDS}"
    return response


@cache
def render_llms_text() -> str:
    """Return the text."""
    document = orjson.loads(render_description())
    introduction = document["info"]["description"]
    sections = [*_operations(document), *_events(document)]
    return "\n".join([LLMS_HEAD, introduction, "", *sections]) + "\n"


def _operations(document: dict[str, Any]) -> Iterator[str]:
    """Yield a section for each tag, with a line for each operation."""
    for tag in document["tags"]:
        yield from (f"## {tag['name']}", "", tag["description"], "")
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    yield _line(f"{method.upper()} {path}", operation)
        yield ""


def _events(document: dict[str, Any]) -> Iterator[str]:
    yield from ("## Events of webhooks", "")
    for event, methods in document["webhooks"].items():
        yield f"- `{event}`: {methods['post']['summary']}"


def _line(request: str, operation: dict[str, Any]) -> str:
    """Return what an operation does, and what it needs."""
    text = operation["description"].partition("\n\n")[0]
    role = operation.get(ROLE)
    needed = f" Role: {role}." if role else ""
    fields = ", ".join(f"`{name}`" for name in _query_names(operation))
    query = f" Query: {fields}." if fields else ""
    return f"- `{request}`: {operation['summary']}. {text}{query}{needed}"


def _query_names(operation: dict[str, Any]) -> list[str]:
    parameters = operation.get("parameters", ())
    return [parameter["name"] for parameter in parameters if parameter["in"] == "query"]
