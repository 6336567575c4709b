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
ERRORS = {
    "400": "The body cannot be read, or means something that cannot be done",
    "401": "No, bad or expired credentials",
    "403": "The role is too low, or it is not the caller's workspace",
    "404": "It does not exist, or belongs to another workspace",
    "409": "A duplicate, or an Idempotency-Key used for something else or still in use",
    "415": "Unsupported media type",
}


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
    """A postprocessing hook: errors, common headers, a DELETE's body, and what monitoring asks."""
    result["components"].setdefault("schemas", {}).update(COMPONENTS)
    for path, operations in result["paths"].items():
        for method in METHODS:
            if method in operations:
                _complete(operations[method], method, path)
    result["paths"] |= PROBES
    return result


def _complete(operation: dict[str, Any], method: str, path: str) -> None:
    responses = operation["responses"]
    if responses.pop("204", None) is not None and method == "delete":
        responses["200"] = _answer("Detail", "Deleted")
    for status in sorted(_refusals(operation, method, path)):
        responses[status] = _answer("Detail", ERRORS[status])
    responses["422"] = _answer("Mistakes", "The schema failed: every failing field at once")
    responses["default"] = _answer("Detail", "Any other error")
    headers = HEADERS if method == "post" else HEADERS[:1]
    operation["parameters"] = [*operation.get("parameters", []), *headers]


def _refusals(operation: dict[str, Any], method: str, path: str) -> set[str]:
    """Which errors the operation may answer with, besides those that every one may."""
    statuses = {"401", "403"}
    if "{" in path:
        statuses.add("404")
    if method != "get":
        statuses.add("400")
    if method == "post":
        statuses |= {"409", "415"}
    return statuses | ({"415"} if "requestBody" in operation else set())


def _answer(component: str, description: str) -> dict[str, Any]:
    return _json({"$ref": f"#/components/schemas/{component}"}, description)


def _json(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _probe(name: str, description: str, responses: dict[str, Any]) -> dict[str, Any]:
    about = {"operationId": name, "description": description, "tags": ["monitoring"], "security": []}
    return {"get": {**about, "responses": responses}}


STATUS = {"type": "object", "required": ["status"], "properties": {"status": TEXT, "checks": {"type": "object"}}}
PROBES = {
    "/healthz": _probe("alive", "Whether the process answers.", {"200": _json(STATUS, "It does")}),
    "/readyz": _probe(
        "ready",
        "Whether database, broker and LiveKit can be reached.",
        {"200": _json(STATUS, "All of them"), "503": _answer("Detail", "Not all of them; `checks` says which")},
    ),
    "/metrics": _probe(
        "metrics",
        "What is going on, for Prometheus.",
        {"200": {"description": "Text format 0.0.4", "content": {"text/plain": {"schema": TEXT}}}},
    ),
}
