"""Fields that only batches have: an uploaded file, recipients as JSON, a column mapping."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.files.uploadedfile import UploadedFile
from django.utils.dateparse import parse_date, parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.utils import html

from batches.importing.json_source import USUAL_FIELDS
from batches.importing.phones import is_known_country
from batches.importing.recipient_extras import MAX_ROW_PRIORITY
from batches.importing.source import MAX_COLUMNS
from batches.models.recipients import MAX_EXTERNAL_ID_CHARACTERS
from batches.services.clone import ALL, UNREACHED
from telephony.models import Outcome
from voiceops.api.errors import field_error
from voiceops.api.field_errors import FieldErrors
from voiceops.api.fields import (
    Choice,
    DateTime,
    JsonObject,
    ListField,
    Number,
    Text,
    require_storable_number,
)
from voiceops.api.json_rows import JsonRows
from voiceops.core.time_zones import find_zone

MAX_ALTERNATIVE_NUMBERS = 9
MAX_NUMBER_CHARACTERS = 64
SCALARS = (str, int, float, bool, type(None))
WRITE_ONLY = "A list is only ever written"


@extend_schema_field(OpenApiTypes.BINARY)
class ListFile(serializers.Field[Any, Any, Any, Any]):
    """The uploaded list in a multipart body. Its content and size are checked by the services."""

    def get_value(self, dictionary: Any) -> Any:
        # Django would silently use the last of several files.
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
        raise NotImplementedError(WRITE_ONLY)


RECIPIENT_SCHEMA = {
    "type": "object",
    "required": ["phone_number"],
    "properties": {
        "phone_number": {"type": "string"},
        "variables": {"type": "object", "additionalProperties": {}},
        "external_id": {
            "type": ["string", "integer", "null"],
            "maxLength": MAX_EXTERNAL_ID_CHARACTERS,
            "description": "The person's id in your own system",
        },
        "alternative_numbers": {
            "type": ["array", "null"],
            "items": {"type": "string", "maxLength": MAX_NUMBER_CHARACTERS},
            "maxItems": MAX_ALTERNATIVE_NUMBERS,
            "description": "Tried in their order when the number before does not exist",
        },
        "priority": {
            "type": ["integer", "null"],
            "minimum": -MAX_ROW_PRIORITY,
            "maximum": MAX_ROW_PRIORITY,
            "description": "Recipients with a higher one are called first",
        },
        "timezone": {
            "type": ["string", "null"],
            "description": "The zone by whose clock the person is called, such as Europe/Moscow",
        },
    },
    "additionalProperties": False,
}


@extend_schema_field({"type": "array", "items": RECIPIENT_SCHEMA})
class RecipientList(serializers.Field[Sequence[dict[str, Any]], Any, Any, Any]):
    """`[{"phone_number": "…", "variables": {…}}]`, validated without a serializer for each row.

    Each may have the fields of FIELD_CHECKS, too.

    There may be a million rows, then as JsonRows. Whether a number can be called is found when the
    list is imported, and rejects only its own row.
    """

    def to_internal_value(self, data: Any) -> Sequence[dict[str, Any]]:
        if not isinstance(data, list | JsonRows):
            raise field_error("type_error.list")
        errors = FieldErrors()
        for position, item in enumerate(data):
            if row_errors := _row_errors(item):
                errors.add(position, row_errors)
        errors.raise_if_any()
        return data

    def to_representation(self, value: Any) -> Any:
        raise NotImplementedError(WRITE_ONLY)


def _row_errors(item: Any) -> dict[str, Any] | list[Any] | None:
    if not isinstance(item, dict):
        return _detail("type_error.dict")
    errors = FieldErrors()
    if type(item.get("phone_number")) is not str:
        errors.add("phone_number", _phone_error(item))

    variables = item.get("variables", {})
    if not isinstance(variables, dict):
        errors.add("variables", _detail("type_error.dict"))
    elif variable_errors := _variable_errors(variables):
        errors.add("variables", variable_errors.as_detail())

    if not USUAL_FIELDS.issuperset(item):
        for name in (name for name in item if name not in USUAL_FIELDS):
            if detail := _field_problem(name, item[name]):
                errors.add(name, detail)
    return errors.as_detail() if errors else None


def _field_problem(name: str, value: Any) -> list[Any] | None:
    """Return what is wrong with a field beside the variables; None for nothing."""
    if name not in FIELD_CHECKS:
        return _detail("value_error.extra")
    is_good, expected = FIELD_CHECKS[name]
    if value is None or is_good(value):
        return None
    return list(field_error("value_error", f"expected {expected}").detail)


def _is_external_id(value: Any) -> bool:
    return type(value) in (str, int) and len(str(value)) <= MAX_EXTERNAL_ID_CHARACTERS


def _are_numbers(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MAX_ALTERNATIVE_NUMBERS
        and all(isinstance(each, str) and len(each) <= MAX_NUMBER_CHARACTERS for each in value)
    )


def _is_priority(value: Any) -> bool:
    return type(value) is int and abs(value) <= MAX_ROW_PRIORITY


def _is_zone(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    # An empty cell of a list names none either. Of which country the number is, is found later.
    return not value.strip() or any(
        find_zone(value, is_north_american=is_north_american) for is_north_american in (False, True)
    )


FIELD_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "external_id": (_is_external_id, f"text of at most {MAX_EXTERNAL_ID_CHARACTERS} characters"),
    "alternative_numbers": (
        _are_numbers,
        f"a list of at most {MAX_ALTERNATIVE_NUMBERS} phone numbers",
    ),
    "priority": (_is_priority, f"a whole number from -{MAX_ROW_PRIORITY} to {MAX_ROW_PRIORITY}"),
    "timezone": (_is_zone, "a time zone such as Europe/Moscow or America/New_York"),
}


def _phone_error(item: Mapping[str, Any]) -> list[Any]:
    if "phone_number" not in item:
        return _detail("value_error.missing")
    is_null = item["phone_number"] is None
    return _detail("type_error.none.not_allowed" if is_null else "type_error.str")


def _variable_errors(variables: Mapping[str, Any]) -> FieldErrors | None:
    """Return the errors of variables that are no scalars, or numbers that cannot be sent again."""
    errors = None
    for name, value in variables.items():
        # Nearly all are text, and there may be a million rows.
        if type(value) is str:
            continue
        if not isinstance(value, SCALARS):
            detail = _detail("type_error.str")
        else:
            try:
                require_storable_number(value)
                continue
            except serializers.ValidationError as error:
                detail = list(error.detail)
        errors = errors or FieldErrors()
        errors.add(name, detail)
    return errors


def _detail(kind: str) -> list[Any]:
    detail: Any = field_error(kind).detail
    return list(detail)


class ColumnMapping(JsonObject):
    """Uploaded column -> its meaning; null ignores the column.

    A meaning is "phone_number", "alternative_number" (any number of columns), "external_id",
    "priority", "timezone", "postal_code", or the name of a variable.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=Text(max_length=200, allow_null=True), **kwargs)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, Mapping) and len(data) > MAX_COLUMNS:
            raise field_error("value_error.list.max_items", limit=MAX_COLUMNS)
        mapping = super().to_internal_value(data)
        if list(mapping.values()).count("phone_number") > 1:
            raise field_error("value_error", "only one column can be the phone number")
        return mapping


class Country(Text):
    """A country whose numbering plan is known (ISO 3166-1, two letters)."""

    def to_internal_value(self, data: Any) -> str:
        region = super().to_internal_value(data).upper()
        if not is_known_country(region):
            raise field_error("value_error", "unknown country, expected two letters of ISO 3166-1")
        return region


class Minutes(Number):
    """Minutes; whole ones are integers."""

    def to_internal_value(self, data: Any) -> float:
        value = super().to_internal_value(data)
        return int(value) if value.is_integer() else value

    def to_representation(self, value: Any) -> Any:
        return value


class ScheduledTime(DateTime):
    """A date and a time of day. Without an offset it stays naive: its zone is the workspace's."""

    def to_internal_value(self, value: Any) -> datetime:
        """Raises ValidationError (422), also for a date alone."""
        if not isinstance(value, str):
            return super().to_internal_value(value)
        # RFC 3339 allows its letters in lower case.
        text = value.strip().upper()
        if _parse_quietly(parse_date, text) is not None:
            example = f"{text}T09:00:00Z"
            raise field_error(
                "value_error", f"a time of day is missing, expected for example {example}"
            )
        at = _parse_quietly(parse_datetime, text)
        return at if at is not None and at.tzinfo is None else super().to_internal_value(text)


def _parse_quietly(parse: Any, text: str) -> Any:
    try:
        return parse(text)
    except ValueError:  # well formed, but no date of the calendar
        return None


def in_zone(at: datetime, zone: str) -> datetime:
    """Return the instant (UTC) at which clocks in a zone show a naive time, the first time.

    Raises ValidationError for a time that the start of summer time skips.
    """
    try:
        instant = at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except OverflowError as error:
        raise field_error("value_error.datetime") from error
    if instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != at:
        raise field_error("value_error", f"clocks in {zone} skip this time on that day")
    return instant


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "enum": ["all", "unreached"]},
            {"type": "array", "items": {"type": "string", "enum": list(Outcome.values)}},
        ]
    }
)
class ClonedRecipients(serializers.Field[Any, Any, Any, Any]):
    """Which recipients of a batch are cloned: `all`, `unreached`, or a list of outcomes."""

    def to_internal_value(self, data: Any) -> Any:
        """Raises ValidationError (422)."""
        if isinstance(data, list):
            outcomes = ListField(child=Choice(choices=Outcome.values), min_length=1)
            return outcomes.run_validation(data)
        return Choice(choices=[ALL, UNREACHED]).run_validation(data)

    def to_representation(self, value: Any) -> Any:
        return value
