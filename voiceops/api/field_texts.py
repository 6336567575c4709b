"""What fields and parameters are, in words, where their serializer does not say it.

Keys are `Type.field`, `Type`, `?parameter`, or `field` for what it is in every type that has none
of its own. Apps register theirs; the most particular one holds.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from voiceops.api.operations import registered
from voiceops.api.schema_types import REF
from voiceops.core.extension_points import ExtensionPoint

FIELD_TEXTS: ExtensionPoint[Mapping[str, str]] = ExtensionPoint("fields of OpenAPI in words")
# Types whose fields are those of another one.
SAME_FIELDS: ExtensionPoint[Mapping[str, str]] = ExtensionPoint("types of OpenAPI that are alike")
GENERAL_TEXTS = {
    "id": "its id",
    "name": "its name",
    "created_at": "when it was made",
    "updated_at": "when it was last changed",
    "items": "the rows of this page",
    "page": "which page it is, from 1; null in a walk by id",
    "page_size": "how many rows a page has at most",
    "total": "how many rows there are on all pages",
    "total_pages": "how many pages there are",
    "detail": "a sentence",
    "ValidationErrors.detail": "an entry for each field that was refused",
    "url": "its address",
    "currency": "ISO 4217, e.g. USD",
    "country": "ISO 3166, two letters, e.g. US",
    "?page": "Which page, from 1.",
    "?page_size": "How many rows a page has.",
    "?after_id": "Rows that follow this id, the oldest first: begins a walk with the id of zeros.",
    "?before_id": "Rows before this id, the newest first: a walk backwards.",
    "?search": "Only rows that contain this text.",
    "?from": "Only what was made at this time or later.",
    "?to": "Only what was made before this time.",
    "?status": "Only rows with this status.",
    "?agent_id": "Only rows of this agent.",
    "?batch_id": "Only rows of this batch.",
    "?recipient_id": "Only rows of this recipient.",
    "?outcome": "Only rows with this outcome.",
}


def describe_fields(result: dict[str, Any]) -> None:
    """Give a description to every field, type and query parameter that has none."""
    texts = {**GENERAL_TEXTS, **registered(FIELD_TEXTS)}
    alike = registered(SAME_FIELDS)
    schemas = result["components"]["schemas"]
    for name, schema in schemas.items():
        schemas[name] = _described(schema, list(_types(name, alike)), texts)
    for methods in result["paths"].values():
        for operation in methods.values():
            _describe_query(operation, texts)


def _described(
    schema: Mapping[str, Any], types: list[str], texts: Mapping[str, str]
) -> dict[str, Any]:
    """Return a copy with descriptions: constants of ours are part of many schemas."""
    own = _first(texts, types)
    described = {**({"description": own} if own else {}), **schema}
    if "properties" in schema:
        described["properties"] = dict(schema["properties"])
    for field, part in schema.get("properties", {}).items():
        text = _first(texts, [*(f"{each}.{field}" for each in types), field])
        # A reference has the description of what it leads to.
        if text and "$ref" not in part:
            described["properties"][field] = {"description": text, **part}
    return described


def _first(texts: Mapping[str, str], keys: list[str]) -> str | None:
    return next((texts[key] for key in keys if key in texts), None)


def has_description(part: Mapping[str, Any], schemas: Mapping[str, Any]) -> bool:
    """Return whether a field says what it is, itself or by the type that it refers to."""
    if part.get("description"):
        return True
    choices = (part, *part.get("oneOf", ()))
    referred = [each["$ref"].removeprefix(REF) for each in choices if "$ref" in each]
    return any(schemas[name].get("description") for name in referred)


def _types(name: str, alike: Mapping[str, str]) -> Iterator[str]:
    """Yield a type and those it shares its fields with: `PatchedBatchRequest`, `Batch`."""
    yield name
    plain = name.removeprefix("Patched").removesuffix("Request")
    yield plain
    if plain in alike:
        yield alike[plain]


def _describe_query(operation: dict[str, Any], texts: Mapping[str, str]) -> None:
    for parameter in operation.get("parameters", ()):
        if parameter["in"] != "query":
            continue
        name = parameter["name"]
        if text := _first(texts, [f"{operation['operationId']}?{name}", f"?{name}"]):
            parameter.setdefault("description", text)
