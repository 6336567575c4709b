"""Base serializers: all field errors at once, unknown fields refused, refusals after the schema.

    class PaceSerializer(StrictSerializer):
        calls_per_second = Number(min_value=0.1, max_value=1000)

    values = validate_body(PaceSerializer, request)

Read-only fields in a body are ignored, so that a client may send back what GET returned. Unknown
names are a 422.
"""

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import models
from rest_framework import serializers
from rest_framework.fields import SkipField, empty, get_error_detail
from rest_framework.request import Request
from rest_framework.utils import html

from voiceops.api.errors import field_error, query_error
from voiceops.api.field_errors import FieldErrors
from voiceops.api.fields import (
    INTEGER_LIMIT,
    Boolean,
    Choice,
    DateTime,
    DomainErrors,
    Email,
    Integer,
    JsonObject,
    ListField,
    NetworkText,
    Number,
    Phone,
    Text,
    Url,
    Uuid,
    parse_form_json,
    validate_items,
)
from voiceops.core.errors import DomainError

__all__ = [
    "Boolean",
    "Choice",
    "DateTime",
    "Email",
    "EmptyBodySerializer",
    "Integer",
    "JsonObject",
    "ListField",
    "NetworkText",
    "Number",
    "PageQuery",
    "Phone",
    "QuerySerializer",
    "StrictListSerializer",
    "StrictModelSerializer",
    "StrictSerializer",
    "Text",
    "Url",
    "Uuid",
    "validate_body",
]


class StrictListSerializer(serializers.ListSerializer[Any]):
    """A list of objects."""

    max_length: int | None
    min_length: int | None
    child: serializers.Field[Any, Any, Any, Any]

    def get_value(self, dictionary: Mapping[Any, Any]) -> Any:
        value = dictionary.get(self.field_name, empty)
        return parse_form_json(value) if html.is_html_input(dictionary) else value

    def to_internal_value(self, data: Any) -> list[Any]:
        """Raises ValidationError with all field errors, else the most important DomainError."""
        if not isinstance(data, list):
            raise field_error("type_error.list")
        if self.max_length is not None and len(data) > self.max_length:
            raise field_error("value_error.list.max_items", limit=self.max_length)
        if len(data) < (self.min_length or (0 if self.allow_empty else 1)):
            raise field_error("value_error.list.min_items", limit=self.min_length or 1)
        return validate_items(self.child, data)


class Strict(serializers.Serializer[Any]):
    # What StrictSerializer and StrictModelSerializer have in common. Bases have no docstring: the
    # API's description would show it for every serializer without one of its own.

    rejects_unknown_fields: ClassVar[bool] = True
    reads_text = False
    error_location: ClassVar[str] = "body"

    @classmethod
    def many_init(cls, *args: Any, **kwargs: Any) -> Any:
        meta: Any = getattr(cls, "Meta", None) or type("Meta", (), {})
        # `many=True` would otherwise use REST framework's list, which is not strict.
        if not hasattr(meta, "list_serializer_class"):
            meta.list_serializer_class = StrictListSerializer
            cls.Meta = meta  # type: ignore[attr-defined]  # where REST framework looks for it
        return super().many_init(*args, **kwargs)

    def get_value(self, dictionary: Mapping[Any, Any]) -> Any:
        value = dictionary.get(self.field_name, empty)
        return parse_form_json(value) if html.is_html_input(dictionary) else value

    def run_validation(self, data: Any = empty) -> Any:
        self.reads_text = html.is_html_input(data)
        try:
            return super().run_validation(data)
        except serializers.ValidationError as error:
            # Read by voiceops.api.errors.handle_exception.
            error.location = self.error_location  # type: ignore[attr-defined]
            raise

    def is_valid(self, *, raise_exception: bool = False) -> bool:
        """Whether the input is valid. Raises ValidationError with its location, if asked to."""
        valid = super().is_valid(raise_exception=False)
        if raise_exception and not valid:
            error = serializers.ValidationError(self.errors)
            # Read by voiceops.api.errors.handle_exception.
            error.location = self.error_location  # type: ignore[attr-defined]
            raise error
        return valid

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Raises ValidationError with all field errors, else the most important DomainError."""
        if not isinstance(data, Mapping):
            raise serializers.ValidationError(
                {"non_field_errors": field_error("type_error.dict").detail}
            )
        values: dict[str, Any] = {}
        field_errors = FieldErrors()
        refusals = DomainErrors()
        for field in self._writable_fields:
            try:
                self._read_field(field, data, values)
            except serializers.ValidationError as error:
                field_errors.add(str(field.field_name), error.detail)
            except DomainError as refusal:
                refusals.add(refusal)
        if self.rejects_unknown_fields:
            self._add_unknown_fields(field_errors, data)
        field_errors.raise_if_any()
        if refusals.most_important:
            raise refusals.most_important
        return values

    def _add_unknown_fields(self, field_errors: FieldErrors, data: Mapping[Any, Any]) -> None:
        known = set(self.fields)
        unknown = (name for name in data if name not in known)
        detail = field_error("value_error.extra").detail
        for name in unknown:
            if field_errors.is_full:
                # This name, and those still to come.
                field_errors.add_unlisted(1 + sum(1 for _ in unknown))
            else:
                field_errors.add(name, detail)

    def _read_field(
        self, field: serializers.Field[Any, Any, Any, Any], data: Any, values: dict[str, Any]
    ) -> None:
        """Validate one field of `data` and store it in `values`.

        `validate_<field>` is applied if the serializer has one.
        """
        validate = getattr(self, f"validate_{field.field_name}", None)
        try:
            raw_value = field.get_value(data)
            is_absent_in_nested = raw_value is empty and self.parent is not None
            if is_absent_in_nested:
                value = self._default_of(field)
            else:
                value = field.run_validation(raw_value)
            self.set_value(values, field.source_attrs, validate(value) if validate else value)
        except DjangoValidationError as error:
            raise serializers.ValidationError(get_error_detail(error)) from error
        except SkipField:
            return

    def _default_of(self, field: serializers.Field[Any, Any, Any, Any]) -> Any:
        """Return the value of a field that is absent from a nested object.

        Nested objects are complete, also in a PATCH of their parent.
        """
        if field.required:
            raise field_error("value_error.missing")
        if field.default is empty:
            raise SkipField
        return field.default() if callable(field.default) else copy.deepcopy(field.default)


def validate_body(
    serializer_class: type[serializers.BaseSerializer[Any]],
    request: Request,
    context: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the validated fields of a request's body. Raises ValidationError (422)."""
    serializer = serializer_class(data=request.data, context=dict(context or {}))
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values


class StrictSerializer(Strict):
    # Base of every serializer that does not belong to a model.
    pass


class EmptyBodySerializer(StrictSerializer):
    """The body of an action without fields: empty, or an empty object."""


class StrictModelSerializer(Strict, serializers.ModelSerializer[Any]):
    # Uses strict fields for a model's columns. Duplicates are found by the database (409), not by
    # validators.

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: Text,
        models.TextField: Text,
        models.EmailField: Email,
        models.URLField: Url,
        models.UUIDField: Uuid,
        models.BooleanField: Boolean,
        models.DateTimeField: DateTime,
        models.FloatField: Number,
        models.IntegerField: Integer,
        models.BigIntegerField: Integer,
        models.SmallIntegerField: Integer,
        models.PositiveIntegerField: Integer,
        models.PositiveSmallIntegerField: Integer,
        models.PositiveBigIntegerField: Integer,
    }
    serializer_choice_field = Choice

    def get_validators(self) -> list[Any]:
        return []

    def build_standard_field(self, field_name: str, model_field: Any) -> Any:
        field_class, kwargs = super().build_standard_field(field_name, model_field)
        # Validators with a queryset look for duplicates.
        validators = [v for v in kwargs.pop("validators", []) if not hasattr(v, "queryset")]
        if validators:
            kwargs["validators"] = validators
        if kwargs.get("max_value", 0) > INTEGER_LIMIT:
            kwargs["max_value"] = INTEGER_LIMIT  # SQLite holds larger ones, PostgreSQL does not
        return field_class, kwargs


class QuerySerializer(StrictSerializer):
    """Query parameters. `loc` begins with `query`; unknown names, as proxies add, are ignored."""

    rejects_unknown_fields = False
    error_location = "query"


class PageQuery(QuerySerializer):
    """The parameters of every list.

    A list with filters derives from it and is its view's `query_class`. `sort` exists where the
    view has `sortable` names: `created_at`, or `-created_at` for descending order.
    """

    page = Integer(min_value=1, max_value=None, default=1)  # pages past the end are empty
    page_size = Integer(min_value=1, max_value=200, default=50)

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        names = list(self.context.get("sortable", ()))
        if names:
            choices = [*names, *(f"-{name}" for name in names)]
            fields["sort"] = Choice(choices=choices, required=False)
        return fields


EXACT, CAPPED = "exact", "capped"


class WalkQuery(PageQuery):
    """A list that can also be walked by id, which neither repeats nor skips while rows arrive.

    `before_id` returns the rows before one, newest first or from the end of a batch's list;
    `after_id` returns those after it, oldest first. The last row's id continues the walk. The nil
    UUID stands before every row.
    """

    after_id = Uuid(required=False)
    before_id = Uuid(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "after_id" in attrs or "before_id" in attrs:
            if "after_id" in attrs and "before_id" in attrs:
                raise query_error("before_id", "cannot be combined with after_id")
            for name in ("page", "sort"):
                if name in self.initial_data:
                    raise query_error(name, "cannot be combined with after_id or before_id")
        return attrs


def without_pages(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a list's query that are filters: an export has all that they find."""
    of_pages = {*WalkQuery().fields, "total"}
    return {name: each for name, each in fields.items() if name not in of_pages}
