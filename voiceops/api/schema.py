"""What our views, serializers and fields do differently from REST framework's, for OpenAPI."""

import re
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework.fields import empty
from rest_framework.serializers import ModelSerializer

from voiceops.api.serializers import PageQuery

ROLE = "x-required-role"  # the role that an operation needs
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

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        role: Any = getattr(self.view, "required_roles", {}).get(getattr(self.view, "action", ""))
        if operation is not None and hasattr(role, "label"):
            operation[ROLE] = str(role.label)
        return operation

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
        if direction == "response" and (absent := getattr(serializer, "absent_in_answers", ())):
            schema["required"] = [name for name in schema["required"] if name not in absent]
        if not getattr(serializer, "rejects_unknown_fields", True):
            schema["additionalProperties"] = {}
        return schema


def _column_may_be_null(field: Any) -> bool:
    """Whether the column that an answer's field comes from, or a row on the way, may be null."""
    model = getattr(getattr(field.parent, "Meta", None), "model", None)
    if field.field_name in getattr(field.parent, "null_in_answers", ()):
        return True
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
