"""Adds to the OpenAPI description what the generator cannot find: queries, errors and headers."""

import re
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework.fields import empty
from rest_framework.serializers import ModelSerializer

from voiceops.api.serializers import PageQuery

TEXT_SCHEMA = {"type": "string"}
FIELD_ERROR = {
    "type": "object",
    "required": ["loc", "msg", "type"],
    "properties": {
        "loc": {"type": "array", "items": {"oneOf": [TEXT_SCHEMA, {"type": "integer"}]}},
        "msg": TEXT_SCHEMA,
        "type": TEXT_SCHEMA,
    },
}
COMPONENTS = {
    "Detail": {"type": "object", "required": ["detail"], "properties": {"detail": TEXT_SCHEMA}},
    "Mistakes": {
        "type": "object",
        "required": ["detail"],
        "properties": {"detail": {"type": "array", "items": FIELD_ERROR}},
    },
}
HEADERS = [
    {
        "name": "X-Workspace-ID",
        "in": "header",
        "schema": {"type": "string", "format": "uuid"},
        "description": "With a JWT: the workspace to use instead of the default one.",
    },
    {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "maxLength": 255},
        "description": "The same key and body within 24 hours get the first response again.",
    },
]
METHODS = ("get", "post", "put", "patch", "delete")
ERROR_DESCRIPTIONS = {
    "400": "The body cannot be parsed, or asks for something impossible",
    "401": "Credentials are missing, invalid or expired",
    "403": "The role is too low, or the workspace is not the caller's",
    "404": "It does not exist, or belongs to another workspace",
    "409": "A duplicate, or an Idempotency-Key of another or an unfinished request",
    "415": "Unsupported media type",
}


# What a standard action is called in an operation's id; other actions have it in their path.
VERBS = {
    "list": "list",
    "create": "create",
    "retrieve": "get",
    "update": "replace",
    "partial_update": "update",
    "destroy": "delete",
}


class Schema(AutoSchema):
    """Describes what our views, serializers and fields do differently from REST framework's.

    A list has the parameters of its view's `query_class`, and `sort` for `sortable` names. Other
    paginated actions get `page` and `page_size`; they declare their filters themselves.
    """

    def get_operation_id(self) -> str:
        """Return the path's names and what is done: `batches_create`, `calls_hangup`."""
        names = [re.sub(r"\W", "_", name) for name in self._tokenize_path()]
        action = getattr(self.view, "action", "")
        if self.method == "GET" and self._is_list_view():
            action = "list"
        elif action not in VERBS and self.path.endswith("}"):
            action = "retrieve"
        methods = getattr(self.view, "action_map", None) or {}
        if action == "create" and "get" not in methods:
            return "_".join(names)
        return "_".join([*names, VERBS[action]] if action in VERBS else names)

    def get_override_parameters(self) -> list[Any]:
        parameters = [*super().get_override_parameters()]
        action = getattr(self.view, "action", "")
        if self.method != "GET" or action == "retrieve" or not self._is_list_view():
            return parameters
        if action != "list":
            return [PageQuery, *parameters]
        if names := [*getattr(self.view, "sortable", ())]:
            choices = [*names, *(f"-{name}" for name in names)]
            parameters.append(
                OpenApiParameter("sort", str, enum=choices, description="A minus sorts descending.")
            )
        return [*parameters, getattr(self.view, "query_class", PageQuery)]

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{serializer_name}Page"

    def map_parsers(self) -> list[str]:
        """Return the form that a body is described in, unless the view names several."""
        return ["application/json"]

    def _get_serializer_field_meta(self, field: Any, direction: str) -> Any:
        # The library is not typed.
        meta = super()._get_serializer_field_meta(field, direction)  # type: ignore[no-untyped-call]
        if direction == "response" and _column_may_be_null(field):
            meta["nullable"] = True
        return meta

    def _map_basic_serializer(self, serializer: Any, direction: str) -> Any:
        # The library is not typed.
        schema = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if direction == "response" and (present := _always_present(serializer)):
            schema["required"] = sorted({*schema.get("required", ()), *present})
        if not getattr(serializer, "rejects_unknown_fields", True):
            schema["additionalProperties"] = {}
        return schema


def _column_may_be_null(field: Any) -> bool:
    """Whether the column that an answer's field comes from, or a row on the way, may be null."""
    model = getattr(getattr(field.parent, "Meta", None), "model", None)
    if model is None or field.source in (None, "*"):
        return False
    if field.field_name in getattr(field.parent, "never_null", ()):
        return False
    for name in field.source.split("."):
        try:
            column = model._meta.get_field(name)
        except FieldDoesNotExist:
            return False
        if getattr(column, "null", False):
            return True
        model = column.related_model or model
    return False


def _always_present(serializer: Any) -> list[str]:
    """Return the fields that every answer has: of a stored object only those it must have."""
    is_row = isinstance(serializer, ModelSerializer)
    return [
        name
        for name, field in serializer.fields.items()
        if not field.write_only
        and (is_row or field.required or field.read_only or field.default is not empty)
        and not getattr(serializer, "is_stored", False)
    ]


def complete_schema(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """A postprocessing hook: adds errors, common headers, the body of a DELETE, and probes."""
    result["components"].setdefault("schemas", {}).update(COMPONENTS)
    for path, operations in result["paths"].items():
        for method in METHODS:
            if method in operations:
                _complete_operation(
                    operations[method], method, path, result["components"]["schemas"]
                )
    result["paths"] |= PROBE_SCHEMAS
    return result


def _complete_operation(
    operation: dict[str, Any], method: str, path: str, schemas: dict[str, Any]
) -> None:
    responses = operation["responses"]
    # The generator expects Django's empty 204; ours is a 200 with a body.
    if responses.pop("204", None) is not None and method == "delete":
        responses["200"] = _component_response("Detail", "Deleted")
    for status in sorted(_error_statuses(operation, method, path, schemas)):
        responses[status] = _component_response("Detail", ERROR_DESCRIPTIONS[status])
    responses["422"] = _component_response(
        "Mistakes", "The schema failed: every failing field at once"
    )
    responses["default"] = _component_response("Detail", "Any other error")
    headers = HEADERS if method == "post" else HEADERS[:1]
    operation["parameters"] = [*operation.get("parameters", []), *headers]


def _error_statuses(
    operation: dict[str, Any], method: str, path: str, schemas: dict[str, Any]
) -> set[str]:
    """Return the statuses of errors that the operation may respond with."""
    statuses = {"401", "403"}
    if "{" in path or _refers_to_rows(operation.get("requestBody", {}), schemas):
        statuses.add("404")
    if method != "get":
        statuses.add("400")
    if method == "post":
        statuses |= {"409", "415"}
    return statuses | ({"415"} if "requestBody" in operation else set())


def _refers_to_rows(part: Any, schemas: dict[str, Any]) -> bool:
    """Whether a body refers to rows that may not exist, by id or by a token from an e-mail."""
    if isinstance(part, list):
        return any(_refers_to_rows(inner, schemas) for inner in part)
    if not isinstance(part, dict):
        return False
    if (part.get("format") == "uuid" and not part.get("readOnly")) or "token" in part.get(
        "properties", ()
    ):
        return True
    if "$ref" in part:
        return _refers_to_rows(schemas[part["$ref"].rpartition("/")[2]], schemas)
    return _refers_to_rows([*part.values()], schemas)


def _component_response(component: str, description: str) -> dict[str, Any]:
    return _json({"$ref": f"#/components/schemas/{component}"}, description)


def _json(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _probe(name: str, description: str, responses: dict[str, Any]) -> dict[str, Any]:
    about = {
        "operationId": name,
        "description": description,
        "tags": ["monitoring"],
        "security": [],
    }
    return {"get": {**about, "responses": responses}}


PROBE_STATUS = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": TEXT_SCHEMA, "checks": {"type": "object"}},
}
PROBE_SCHEMAS = {
    "/healthz": _probe(
        "alive", "Whether the process answers.", {"200": _json(PROBE_STATUS, "It does")}
    ),
    "/readyz": _probe(
        "ready",
        "Whether database, broker and LiveKit can be reached.",
        {
            "200": _json(PROBE_STATUS, "All of them"),
            "503": _component_response("Detail", "Not all of them; `checks` says which"),
        },
    ),
    "/metrics": _probe(
        "metrics",
        "What is going on, for Prometheus.",
        {
            "200": {
                "description": "Text format 0.0.4",
                "content": {"text/plain": {"schema": TEXT_SCHEMA}},
            }
        },
    ),
}
