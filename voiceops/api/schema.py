"""What the OpenAPI page cannot see by itself: query parameters, errors, and the headers every request may carry."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from voiceops.api.serializers import PageQuery

TEXT = {"type": "string"}
MISTAKE = {
    "type": "object",
    "required": ["loc", "msg", "type"],
    "properties": {
        "loc": {"type": "array", "items": {"oneOf": [TEXT, {"type": "integer"}]}},
        "msg": TEXT,
        "type": TEXT,
    },
}
COMPONENTS = {
    "Detail": {"type": "object", "required": ["detail"], "properties": {"detail": TEXT}},
    "Mistakes": {
        "type": "object",
        "required": ["detail"],
        "properties": {"detail": {"type": "array", "items": MISTAKE}},
    },
}
HEADERS = [
    {
        "name": "X-Workspace-ID",
        "in": "header",
        "schema": {"type": "string", "format": "uuid"},
        "description": "With a JWT: which workspace is meant, instead of the default one.",
    },
    {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {"type": "string", "maxLength": 255},
        "description": "The same key and body within 24 hours are answered with the first response.",
    },
]
METHODS = ("get", "post", "put", "patch", "delete")


class Schema(AutoSchema):
    """Lists take the parameters of their view's `query_class`, and may be sorted by its `sortable` names."""

    def get_override_parameters(self) -> list[Any]:
        parameters = [*super().get_override_parameters()]
        query = getattr(self.view, "query_class", None)
        one = getattr(self.view, "action", "") == "retrieve"
        if query is None or one or not (self._is_list_view() or query is not PageQuery):
            return parameters
        names = [*getattr(self.view, "sortable", ())]
        if names:
            choices = [*names, *(f"-{name}" for name in names)]
            parameters.append(OpenApiParameter("sort", str, enum=choices, description="A minus sorts descending."))
        return [*parameters, query] if self.method == "GET" else parameters


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A postprocessing hook: errors, common headers, and a DELETE that answers 200 with a body."""
    result["components"].setdefault("schemas", {}).update(COMPONENTS)
    for operations in result["paths"].values():
        for method in METHODS:
            if method in operations:
                _complete(operations[method], method)
    return result


def _complete(operation: dict[str, Any], method: str) -> None:
    responses = operation["responses"]
    if responses.pop("204", None) is not None and method == "delete":
        responses["200"] = _answer("Detail", "Deleted")
    responses["422"] = _answer("Mistakes", "The schema failed: every failing field at once")
    responses["default"] = _answer("Detail", "Any other error")
    headers = HEADERS if method == "post" else HEADERS[:1]
    operation["parameters"] = [*operation.get("parameters", []), *headers]


def _answer(component: str, description: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{component}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
