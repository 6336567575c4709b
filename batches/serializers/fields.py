"""Fields that only batches have: an uploaded file, recipients as JSON, a column mapping, minutes."""

from typing import Any

from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.utils import html

from batches.importing.phones import is_known_country
from voiceops.api.errors import field_error
from voiceops.api.fields import JsonObject, Number, Text

MAX_ROW_ERRORS = 100  # of a list of recipients: a million of them help nobody
RECIPIENT_FIELDS = ("phone_number", "variables")
SCALARS = (str, int, float, bool, type(None))


@extend_schema_field(OpenApiTypes.BINARY)
class ListFile(serializers.Field[Any, Any, Any, Any]):
    """The uploaded list in a multipart body. What is in it, and how large it is, is not the
    schema's business.
    """

    def get_value(self, dictionary: Any) -> Any:
        files = dictionary.getlist(self.field_name) if html.is_html_input(dictionary) else []
        return files if len(files) > 1 else super().get_value(dictionary)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, list):
            raise field_error(
                "value_error",
                "one file is expected: send the others with POST /batches/{id}/recipients",
            )
        if not isinstance(data, UploadedFile):
            raise field_error("value_error", "a file is expected")
        return data

    def to_representation(self, value: Any) -> Any:
        raise NotImplementedError("A list is only ever written")


RECIPIENT_SCHEMA = {
    "type": "object",
    "required": ["phone_number"],
    "properties": {
        "phone_number": {"type": "string"},
        "variables": {"type": "object", "additionalProperties": {}},
    },
    "additionalProperties": False,
}


@extend_schema_field({"type": "array", "items": RECIPIENT_SCHEMA})
class RecipientList(serializers.Field[list[dict[str, Any]], Any, Any, Any]):
    """`[{"phone_number": "…", "variables": {…}}]`. Judged without a serializer per row: there may
    be a million.

    Whether a number can be called is found when the list is read, and refuses only its own row.
    """

    def to_internal_value(self, data: Any) -> list[dict[str, Any]]:
        if not isinstance(data, list):
            raise field_error("type_error.list")
        mistakes: dict[int, Any] = {}
        for position, item in enumerate(data):
            if wrong := _errors_of(item):
                mistakes[position] = wrong
                if len(mistakes) == MAX_ROW_ERRORS:
                    break
        if mistakes:
            raise serializers.ValidationError(mistakes)  # type: ignore[arg-type]  # positions stay integers in `loc`
        return data

    def to_representation(self, value: Any) -> Any:
        raise NotImplementedError("A list is only ever written")


def _errors_of(item: Any) -> dict[str, Any] | list[Any] | None:
    if not isinstance(item, dict):
        return _detail("type_error.dict")
    wrong: dict[str, Any] = {}
    number, variables = item.get("phone_number", item), item.get("variables", {})
    if number is item:
        wrong["phone_number"] = _detail("value_error.missing")
    elif not isinstance(number, str):
        wrong["phone_number"] = _detail(
            "type_error.none.not_allowed" if number is None else "type_error.str"
        )
    if not isinstance(variables, dict):
        wrong["variables"] = _detail("type_error.dict")
    elif bad := [name for name, value in variables.items() if not isinstance(value, SCALARS)]:
        wrong["variables"] = {name: _detail("type_error.str") for name in bad}
    if len(item) > len(RECIPIENT_FIELDS) or not set(item).issubset(RECIPIENT_FIELDS):
        wrong |= {
            name: _detail("value_error.extra") for name in item if name not in RECIPIENT_FIELDS
        }
    return wrong or None


def _detail(kind: str) -> list[Any]:
    detail: Any = field_error(kind).detail
    return list(detail)


class ColumnMapping(JsonObject):
    """Uploaded column -> `"phone_number"`, the name of a variable, or null to leave the column out."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=Text(max_length=200, allow_null=True), **kwargs)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        mapping = super().to_internal_value(data)
        if list(mapping.values()).count("phone_number") > 1:
            raise field_error("value_error", "only one column can be the phone number")
        return mapping


class Country(Text):
    """A country whose numbering plan is known (ISO 3166-1, two letters)."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data).upper()
        if not is_known_country(text):
            raise field_error("value_error", "unknown country, expected two letters of ISO 3166-1")
        return text


class Minutes(Number):
    """Minutes, whole ones as integers."""

    def to_internal_value(self, data: Any) -> float:
        value = super().to_internal_value(data)
        return int(value) if value.is_integer() else value

    def to_representation(self, value: Any) -> Any:
        return value
