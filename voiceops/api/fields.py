"""Strict fields: a JSON number is not accepted as a string, nor a boolean as an integer.

Forms and query strings contain only text, so in them (`reads_text`) numbers, booleans and JSON are
parsed. A field may also refuse the *meaning* of a well-formed value by raising a DomainError, for
example for an invalid phone number or an unknown agent. The serializer raises it only after the
whole schema was checked.
"""

import math
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.validators import validate_email
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.utils import html

from voiceops.api.errors import MESSAGES, field_error
from voiceops.api.field_errors import FieldErrors
from voiceops.core.errors import DomainError, NotFound
from voiceops.core.instants import parse_instant
from voiceops.core.phone_numbers import to_e164

INTEGER_LIMIT = 2**31 - 1  # the largest integer of a database column
LARGE_INTEGER = 2**63  # from here on the JSON parser returns a float
# Of numbers in free JSON, such as variables: what 64 bits hold.
MAX_JSON_NUMBER = 2**64 - 1
MIN_JSON_NUMBER = -(2**63)
BOOLEAN_WORDS = {"true": True, "1": True, "false": False, "0": False}
UUID_PATTERN = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
LENGTH_MESSAGES: dict[str, Any] = {
    "min_length": MESSAGES["value_error.any_str.min_length"].replace("limit", "min_length"),
    "max_length": MESSAGES["value_error.any_str.max_length"].replace("limit", "max_length"),
    "blank": MESSAGES["value_error.any_str.min_length"].format(limit=1),
}
BOUND_MESSAGES: dict[str, Any] = {
    "min_value": MESSAGES["value_error.number.not_ge"].replace("limit", "min_value"),
    "max_value": MESSAGES["value_error.number.not_le"].replace("limit", "max_value"),
}


def reads_text(field: serializers.Field[Any, Any, Any, Any]) -> bool:
    """Whether the field's serializer is reading a form or a query string."""
    # Between a field and its serializer there may be lists and dictionaries.
    parent = field.parent
    while parent is not None and not isinstance(parent, serializers.Serializer):
        parent = parent.parent
    return bool(getattr(parent, "reads_text", False))


def parse_form_json(data: Any) -> Any:
    """Parse JSON in a form's text. Other text is returned as it is, for the field to refuse."""
    try:
        return orjson.loads(data) if isinstance(data, str) else data
    except orjson.JSONDecodeError:
        return data


class DomainErrors:
    """Collects the refusals of fields. A missing row (404) comes before an invalid value (400)."""

    def __init__(self) -> None:
        self.most_important: DomainError | None = None

    def add(self, refusal: DomainError) -> None:
        """Keep the refusal if it is more important than the ones before."""
        is_first = self.most_important is None
        is_first_404 = isinstance(refusal, NotFound) and not isinstance(
            self.most_important, NotFound
        )
        if is_first or is_first_404:
            self.most_important = refusal


class Text(serializers.CharField):
    """A JSON string."""

    default_error_messages = LENGTH_MESSAGES

    def run_validation(self, data: Any = empty) -> Any:
        """Raises ValidationError (422)."""
        if data is not empty and data is not None and not isinstance(data, str):
            raise field_error("type_error.str")
        return super().run_validation(data)


class NetworkText(Text):
    """An IP address, or a network such as 203.0.113.0/24."""

    def to_internal_value(self, data: Any) -> str:
        """Raises ValidationError (422)."""
        text = super().to_internal_value(data)
        try:
            ip_network(text, strict=False)
        except ValueError as error:
            raise field_error("value_error", "an IP address or network is expected") from error
        return text


class Email(Text):
    """An e-mail address, converted to lower case."""

    def to_internal_value(self, data: Any) -> str:
        """Raises ValidationError (422)."""
        address = super().to_internal_value(data).lower()
        try:
            validate_email(address)
        except DjangoValidationError as error:
            raise field_error("value_error.email") from error
        return address


class Url(Text):
    """An absolute http or https URL. Whether it may be requested is checked elsewhere."""

    def to_internal_value(self, data: Any) -> str:
        """Raises ValidationError (422)."""
        text = super().to_internal_value(data)
        try:
            parts = urlsplit(text)
            host = parts.hostname
        except ValueError as error:
            raise field_error("value_error", "invalid URL") from error
        if parts.scheme not in ("http", "https"):
            raise field_error("value_error.url.scheme")
        # urlsplit strips some control characters; the stored URL must not contain them.
        if not host or re.search(r"[\s\x00-\x1f]", text):
            raise field_error("value_error", "invalid URL")
        return text


class Phone(Text):
    """A phone number in any international spelling, converted to E.164. Raises Invalid."""

    def to_internal_value(self, data: Any) -> str:
        """Raises Invalid, after the schema was checked."""
        return to_e164(super().to_internal_value(data))


class Integer(serializers.IntegerField):
    """A whole number that fits a database column, unless bounds say otherwise."""

    default_error_messages = BOUND_MESSAGES

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_value": INTEGER_LIMIT, "min_value": -INTEGER_LIMIT, **kwargs})

    def to_internal_value(self, data: Any) -> int:
        """Raises ValidationError (422)."""
        if (
            reads_text(self)
            and isinstance(data, str)
            and re.fullmatch(r"[+-]?[0-9]{1,1000}", data.strip())
        ):
            return int(data)
        if type(data) is float and abs(data) >= LARGE_INTEGER:
            data = int(data)  # refused as too large, not as a float
        if type(data) is not int:
            raise field_error("type_error.integer")
        return data


class Number(serializers.FloatField):
    """A finite number."""

    default_error_messages = BOUND_MESSAGES

    def to_internal_value(self, data: Any) -> float:
        """Raises ValidationError (422)."""
        if (
            reads_text(self)
            and isinstance(data, str)
            and re.fullmatch(r"[+-]?[0-9]*\.?[0-9]+", data.strip())
        ):
            return float(data)
        if type(data) not in (int, float) or not math.isfinite(data):
            raise field_error("type_error.float")
        return float(data)


class Boolean(serializers.BooleanField):
    """`true` or `false`."""

    default_empty_html = empty  # a form without the field omits it; REST framework reads false

    def to_internal_value(self, data: Any) -> bool:
        """Raises ValidationError (422)."""
        if reads_text(self) and isinstance(data, str):
            data = BOOLEAN_WORDS.get(data.strip().lower())
        if not isinstance(data, bool):
            raise field_error("type_error.bool")
        return data


class Choice(serializers.ChoiceField):
    """One of several strings. `choices` as for ChoiceField."""

    def to_internal_value(self, data: Any) -> Any:
        """Raises ValidationError (422)."""
        if not isinstance(data, str) or data not in self.choices:
            permitted = ", ".join(f"'{choice}'" for choice in self.choices)
            raise field_error("type_error.enum", permitted=permitted)
        return data


class Uuid(serializers.UUIDField):
    """A UUID in its usual form with hyphens."""

    def to_internal_value(self, data: Any) -> uuid.UUID:
        """Raises ValidationError (422)."""
        if isinstance(data, uuid.UUID):
            return data
        if not isinstance(data, str) or not UUID_PATTERN.fullmatch(data):
            raise field_error("type_error.uuid")
        return uuid.UUID(data)


class DateTime(serializers.DateTimeField):
    """A time in ISO 8601, in UTC unless it has an offset. A date alone is its midnight."""

    def to_internal_value(self, value: Any) -> datetime:
        """Raises ValidationError (422)."""
        if not isinstance(value, str):
            raise field_error("value_error.datetime")
        if reads_text(self):
            # In a query string a plus sign that was not percent-encoded arrives as a space.
            value = re.sub(r" (\d\d:?\d\d)$", r"+\1", value)
        try:
            return parse_instant(value)
        except ValueError as error:
            raise field_error("value_error.datetime") from error


class ListField(serializers.ListField):
    """A list of one kind of value: `ListField(child=Text(), max_length=20)`."""

    def __init__(
        self, *, min_length: int | None = None, max_length: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.min_items = min_length
        self.max_items = max_length

    def get_value(self, dictionary: Mapping[Any, Any]) -> Any:
        if not html.is_html_input(dictionary):
            return dictionary.get(self.field_name, empty)
        # Form input is a QueryDict.
        values = dictionary.getlist(self.field_name)  # type: ignore[attr-defined]
        if len(values) == 1 and values[0].lstrip().startswith("["):
            return parse_form_json(values[0])
        return values or empty

    def to_internal_value(self, data: Any) -> list[Any]:
        """Raises ValidationError (422)."""
        if not isinstance(data, list):
            raise field_error("type_error.list")
        if self.min_items is not None and len(data) < self.min_items:
            raise field_error("value_error.list.min_items", limit=self.min_items)
        max_items = settings.MAX_JSON_ITEMS if self.max_items is None else self.max_items
        if len(data) > max_items:
            raise field_error("value_error.list.max_items", limit=max_items)
        return validate_items(self.child, data)


class JsonObject(serializers.DictField):
    """A JSON object. With `child`, all its values are of that kind, else any that can be stored."""

    def get_value(self, dictionary: Mapping[Any, Any]) -> Any:
        value = dictionary.get(self.field_name, empty)
        return parse_form_json(value) if html.is_html_input(dictionary) else value

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Raises ValidationError (422)."""
        if not isinstance(data, Mapping):
            raise field_error("type_error.dict")
        require_storable_json(data)
        return dict(self.run_child_validation(data))

    def run_child_validation(self, data: Mapping[Any, Any]) -> dict[str, Any]:
        """Validate every value. Raises ValidationError with all field errors."""
        values: dict[str, Any] = {}
        field_errors = FieldErrors()
        for name, value in data.items():
            try:
                values[str(name)] = self.child.run_validation(value)
            except serializers.ValidationError as error:
                field_errors.add(str(name), error.detail)
        field_errors.raise_if_any()
        return values


def require_storable_json(value: Any) -> None:
    """Check free JSON against the limits of names and items, and for numbers beyond 64 bits, which
    PostgreSQL would return in a form that no client could be sent.

    Raises ValidationError (422) with the path to the first value that is refused.
    """
    if isinstance(value, Mapping):
        if len(value) > settings.MAX_JSON_NAMES:
            raise field_error("value_error.list.max_items", limit=settings.MAX_JSON_NAMES)
        parts: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list):
        if len(value) > settings.MAX_JSON_ITEMS:
            raise field_error("value_error.list.max_items", limit=settings.MAX_JSON_ITEMS)
        parts = enumerate(value)
    else:
        require_storable_number(value)
        return
    for name, part in parts:
        try:
            require_storable_json(part)
        except serializers.ValidationError as error:
            # The stubs expect names; positions stay integers, as `loc` needs them.
            raise serializers.ValidationError({name: error.detail}) from None


def require_storable_number(value: Any) -> None:
    """Raises ValidationError (422) for a number of more than 64 bits."""
    if type(value) in (int, float):
        if value > MAX_JSON_NUMBER:
            raise field_error("value_error.number.not_le", limit=MAX_JSON_NUMBER)
        if value < MIN_JSON_NUMBER:
            raise field_error("value_error.number.not_ge", limit=MIN_JSON_NUMBER)


def validate_items(child: serializers.Field[Any, Any, Any, Any], items: Sequence[Any]) -> list[Any]:
    """Validate every item with `child` and return the values.

    Raises ValidationError with all field errors by position, else the most important DomainError.
    """
    values: list[Any] = []
    field_errors = FieldErrors()
    refusals = DomainErrors()
    for position, item in enumerate(items):
        try:
            values.append(child.run_validation(item))
        except serializers.ValidationError as error:
            field_errors.add(position, error.detail)
        except DomainError as refusal:
            refusals.add(refusal)
    field_errors.raise_if_any()
    if refusals.most_important:
        raise refusals.most_important
    return values
