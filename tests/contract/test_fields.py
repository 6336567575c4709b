"""The documented 422 of each kind of field, in JSON, in forms and in query strings."""

import uuid
from typing import Any

import pytest
from django.http import QueryDict
from rest_framework.exceptions import ValidationError

from voiceops.api.errors import flatten_errors
from voiceops.api.serializers import (
    Boolean,
    Choice,
    DateTime,
    Email,
    Integer,
    JsonObject,
    ListField,
    Number,
    Phone,
    QuerySerializer,
    StrictSerializer,
    Text,
    Url,
    Uuid,
)
from voiceops.core.errors import DomainError, Invalid, NotFound

NO_INTEGER = ("value is not a valid integer", "type_error.integer")
NO_FLOAT = ("value is not a valid float", "type_error.float")
NO_BOOL = ("value could not be parsed to a boolean", "type_error.bool")
NO_TEXT = ("str type expected", "type_error.str")
NO_LIST = ("value is not a valid list", "type_error.list")
NO_OBJECT = ("value is not a valid dict", "type_error.dict")
NO_EMAIL = ("value is not a valid email address", "value_error.email")
NO_UUID = ("value is not a valid uuid", "type_error.uuid")
NO_INSTANT = ("invalid datetime format", "value_error.datetime")
NO_SCHEME = ("invalid or missing URL scheme", "value_error.url.scheme")
NO_MEMBER = ("value is not a valid enumeration member; permitted: 'a', 'b'", "type_error.enum")
NULL = ("none is not an allowed value", "type_error.none.not_allowed")
EMPTY = ("ensure this value has at least 1 characters", "value_error.any_str.min_length")
AN_ID = "0190f2f0-0000-7000-8000-000000000001"


class Thing(Text):
    """Raises a domain error, as a reference to a missing row does."""

    def to_internal_value(self, data: Any) -> str:
        raise NotFound("Thing not found")


class Inner(StrictSerializer):
    name = Text(max_length=5)
    size = Integer(default=3)
    phone = Phone(required=False)


class Outer(StrictSerializer):
    text = Text(required=False, min_length=2, max_length=4)
    whole = Integer(required=False, min_value=1, max_value=9)
    number = Number(required=False, min_value=0.5, max_value=2)
    flag = Boolean(required=False)
    choice = Choice(required=False, choices=["a", "b"])
    email = Email(required=False)
    id = Uuid(required=False)
    at = DateTime(required=False)
    url = Url(required=False)
    words = ListField(required=False, child=Text(), min_length=1, max_length=2)
    free = JsonObject(required=False)
    inner = Inner(required=False)
    inners = Inner(required=False, many=True)
    phone = Phone(required=False)
    thing = Thing(required=False)


class Query(QuerySerializer):
    whole = Integer(required=False)
    number = Number(required=False)
    flag = Boolean(required=False)
    at = DateTime(required=False)
    words = ListField(required=False, child=Text())


def mistakes(
    data: Any, kind: type[StrictSerializer] = Outer, **kwargs: Any
) -> list[tuple[Any, ...]]:
    try:
        kind(data=data, **kwargs).is_valid(raise_exception=True)
    except ValidationError as error:
        found = flatten_errors(error.get_full_details(), ("body",))
        return [(tuple(m["loc"][1:]), m["msg"], m["type"]) for m in found]
    return []


def valid(data: Any, kind: type[StrictSerializer] = Outer, **kwargs: Any) -> dict[str, Any]:
    serializer = kind(data=data, **kwargs)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("text", 5, NO_TEXT),
        ("text", True, NO_TEXT),
        ("text", ["x"], NO_TEXT),
        ("text", None, NULL),
        ("text", "", EMPTY),
        ("text", "   ", EMPTY),
        (
            "text",
            "x",
            ("ensure this value has at least 2 characters", "value_error.any_str.min_length"),
        ),
        (
            "text",
            "xxxxx",
            ("ensure this value has at most 4 characters", "value_error.any_str.max_length"),
        ),
        ("whole", "5", NO_INTEGER),
        ("whole", 5.0, NO_INTEGER),
        ("whole", True, NO_INTEGER),
        (
            "whole",
            0,
            ("ensure this value is greater than or equal to 1", "value_error.number.not_ge"),
        ),
        (
            "whole",
            10,
            ("ensure this value is less than or equal to 9", "value_error.number.not_le"),
        ),
        ("number", "1.5", NO_FLOAT),
        ("number", False, NO_FLOAT),
        (
            "number",
            0,
            ("ensure this value is greater than or equal to 0.5", "value_error.number.not_ge"),
        ),
        (
            "number",
            3,
            ("ensure this value is less than or equal to 2", "value_error.number.not_le"),
        ),
        ("flag", "true", NO_BOOL),
        ("flag", 1, NO_BOOL),
        ("choice", "c", NO_MEMBER),
        ("choice", 1, NO_MEMBER),
        ("choice", ["a"], NO_MEMBER),
        ("email", "nobody", NO_EMAIL),
        ("id", "1", NO_UUID),
        ("id", 1, NO_UUID),
        ("at", "yesterday", NO_INSTANT),
        ("at", "2026-02-30T00:00:00Z", NO_INSTANT),
        ("at", "0001-01-01T00:00:00+23:00", NO_INSTANT),
        ("at", 1795422127, NO_INSTANT),
        ("url", "example.com", NO_SCHEME),
        ("url", "ftp://example.com", NO_SCHEME),
        ("words", "x", NO_LIST),
        ("words", {"0": "x"}, NO_LIST),
        ("words", [], ("ensure this value has at least 1 items", "value_error.list.min_items")),
        (
            "words",
            ["x"] * 3,
            ("ensure this value has at most 2 items", "value_error.list.max_items"),
        ),
        ("free", [], NO_OBJECT),
        ("inner", [], NO_OBJECT),
        ("inner", "x", NO_OBJECT),
        ("inners", {}, NO_LIST),
        ("phone", 12025550186, NO_TEXT),
    ],
)
def test_a_json_value_of_the_wrong_type_is_refused(
    name: str, value: Any, expected: tuple[str, str]
) -> None:
    assert mistakes({name: value}) == [((name,), *expected)]


def test_errors_in_nested_values_have_their_location() -> None:
    data = {
        "words": ["x", 2],
        "inner": {"size": "1", "extra": 1},
        "inners": [{"name": "x"}, 5, {"name": "toolong"}],
    }

    assert mistakes(data) == [
        (("words", 1), *NO_TEXT),
        (("inner", "name"), "field required", "value_error.missing"),
        (("inner", "size"), *NO_INTEGER),
        (("inner", "extra"), "extra fields not permitted", "value_error.extra"),
        (("inners", 1), *NO_OBJECT),
        (
            ("inners", 2, "name"),
            "ensure this value has at most 5 characters",
            "value_error.any_str.max_length",
        ),
    ]


def test_a_nested_object_must_be_complete_in_a_patch_too() -> None:
    assert mistakes({"inner": {}}, partial=True) == [
        (("inner", "name"), "field required", "value_error.missing")
    ]
    assert valid({"inner": {"name": "x"}}, partial=True) == {"inner": {"name": "x", "size": 3}}


def test_valid_values_are_accepted() -> None:
    data = {
        "text": " abc ",
        "whole": 5,
        "number": 1,
        "flag": False,
        "id": AN_ID,
        "at": "2026-11-23T10:00:00+02:00",
    }

    values = valid(data)

    assert values.pop("at").isoformat() == "2026-11-23T08:00:00+00:00"
    assert values == {
        "text": "abc",
        "whole": 5,
        "number": 1.0,
        "flag": False,
        "id": uuid.UUID(AN_ID),
    }


def test_forms_contain_only_text() -> None:
    form = QueryDict(mutable=True)
    form.update(
        {
            "whole": "5",
            "number": "1.5",
            "flag": "true",
            "inner": '{"name": "x"}',
            "inners": '[{"name": "y"}]',
        }
    )
    form.update({"words": '["a", "b"]', "free": '{"k": [1]}'})

    assert valid(form) == {
        "whole": 5,
        "number": 1.5,
        "flag": True,
        "inner": {"name": "x", "size": 3},
        "inners": [{"name": "y", "size": 3}],
        "words": ["a", "b"],
        "free": {"k": [1]},
    }


def test_json_in_a_form_is_validated_as_in_a_body() -> None:
    form = QueryDict(mutable=True)
    form.update({"whole": "5x", "flag": "maybe", "inner": '{"name": 5}', "free": "{"})

    assert mistakes(form) == [
        (("whole",), *NO_INTEGER),
        (("flag",), *NO_BOOL),
        (("free",), *NO_OBJECT),
        (("inner", "name"), *NO_TEXT),
    ]


def test_query_strings_are_text_and_may_have_unknown_names() -> None:
    query = QueryDict(
        "whole=5&number=.5&flag=0&at=2026-11-23T10:00:00+00:00&words=a&words=b&utm_source=x"
    )

    values = valid(query, Query)

    assert values.pop("at").isoformat() == "2026-11-23T10:00:00+00:00"
    assert values == {"whole": 5, "number": 0.5, "flag": False, "words": ["a", "b"]}


@pytest.mark.parametrize(
    "spelling",
    [
        "+12025550186",
        "+1 (202) 555-0186",
        " +1-202-555-0186 ",
        "+1.202.555.0186",
        "+\uff11 202 555 0186",
    ],
)
def test_phone_numbers_become_e164(spelling: str) -> None:
    assert valid({"phone": spelling}) == {"phone": "+12025550186"}


@pytest.mark.parametrize(
    "spelling",
    [
        "2025550186",
        "+1202555",
        "+999123456789",
        "+12025550186;ext=5",
        "+12025550186,,12",
        "+1202CALLNOW",
    ],
)
def test_an_invalid_phone_number_is_a_domain_error(spelling: str) -> None:
    with pytest.raises(Invalid, match=r"^Invalid phone number$"):
        valid({"phone": spelling})


def test_the_schema_is_checked_before_domain_errors() -> None:
    assert mistakes({"phone": "12", "thing": "x", "whole": "x"}) == [(("whole",), *NO_INTEGER)]
    assert mistakes({"inner": {"name": "x", "phone": "12"}, "whole": "x"}) == [
        (("whole",), *NO_INTEGER)
    ]


def test_a_missing_row_is_reported_before_an_invalid_value() -> None:
    with pytest.raises(DomainError, match="Thing not found"):
        valid({"phone": "12", "thing": "x"})


def test_read_only_fields_in_a_body_are_ignored() -> None:
    class ReadOnly(StrictSerializer):
        id = Uuid(read_only=True)
        name = Text()

    assert valid({"id": "anything", "name": "x"}, ReadOnly) == {"name": "x"}
