"""What is read from values is, byte for byte, what the serializer makes of the instances."""

from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from django.db import models
from django.utils import timezone
from rest_framework import serializers

from accounts.models import Workspace
from batches.models import Recipient
from batches.serializers.recipients import RecipientSerializer
from telephony.models import Call, CallEvent
from telephony.serializers.calls import CallSerializer, EventSerializer, serialize_call
from tests import make
from voiceops.api.compiled_reads import ReadsValues, compile_plan
from voiceops.api.renderers import encode_json

pytestmark = pytest.mark.django_db
ROWS = 60
MOMENTS = (
    datetime(2026, 3, 1, 12, 0, tzinfo=UTC),
    datetime(2026, 3, 1, 12, 0, 5, 250_000, tzinfo=UTC),
    datetime(2027, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
)
LISTS: tuple[Any, ...] = ([], ["+12025550123", "Zoë"], [None, "x", "more", "cells"])
OBJECTS: tuple[Any, ...] = (
    {},
    {"name": "Zoë", "n": 1.5, "deep": {"list": [1, None, True]}},
    {"": ""},
)


KEPT = ("row_number", "phone_number", "external_id")  # unique in their batch


def random_value(field: Any, random: Random) -> Any:
    """A value that the column may hold."""
    if field.null and random.random() < 0.3:
        return None
    if field.choices:
        return random.choice([value for value, _ in field.flatchoices])
    kinds: list[tuple[type, tuple[Any, ...]]] = [
        (models.DateTimeField, MOMENTS),
        (models.BooleanField, (True, False)),
        (models.IntegerField, (0, 1, 487)),
        (models.UUIDField, (uuid4(),)),
        (models.JSONField, LISTS if field.default is list or field.name == "usage" else OBJECTS),
        (models.TextField, ("", "+12025550101 +12025550102")),
        (models.CharField, ("", "a", 'Gr"ö', "\n\t")),
    ]
    return random.choice(next(values for kind, values in kinds if isinstance(field, kind)))


def scramble(rows: list[Any], kind: type[ReadsValues]) -> None:
    """Write a random value into every column of the rows that the serializer reads."""
    random = Random(7)  # noqa: S311 - the same rows in every run
    model = type(rows[0])
    fields = {field.attname: field for field in model._meta.concrete_fields}
    names = [
        name
        for name in compile_plan(kind).columns
        if name in fields and name not in KEPT and not fields[name].is_relation and name != "id"
    ]
    for row in rows:
        values = {name: random_value(fields[name], random) for name in names}
        model._base_manager.filter(pk=row.pk).update(**values)


def slow(kind: type[ReadsValues], rows: Any, context: dict[str, Any]) -> list[Any]:
    """What REST framework makes of the instances, a field object at a time."""
    return list(serializers.ListSerializer(rows, child=kind(), context=context).data)


def both(kind: type[ReadsValues], rows: Any, context: dict[str, Any]) -> tuple[bytes, bytes]:
    fast = kind.read(kind.values_of(rows), context)
    assert len(fast) == len(rows) > 0
    return encode_json(fast), encode_json(slow(kind, rows, context))


def test_calls_are_read_as_the_serializer_writes_them(ours: Workspace) -> None:
    agent = make.agent(ours)
    calls = [make.call(ours, agent=agent) for _ in range(ROWS)]
    scramble(calls, CallSerializer)
    Call.unscoped.filter(pk=calls[0].pk).update(agent=None, agent_version=None)
    rows = Call.unscoped.order_by("pk")

    fast, expected = both(CallSerializer, rows, {})

    assert fast == expected
    assert encode_json([serialize_call(call) for call in rows]) == expected


def test_recipients_are_read_as_the_serializer_writes_them(ours: Workspace) -> None:
    batch = make.batch(ours)
    recipients = [make.recipient(batch) for _ in range(ROWS)]
    scramble(recipients, RecipientSerializer)
    calls = {row.pk: (1, uuid4()) for row in recipients[::2]}
    context = {"workspace": ours, "batch": batch, "now": timezone.now(), "calls": calls}

    fast, expected = both(RecipientSerializer, Recipient.unscoped.order_by("pk"), context)

    assert fast == expected


def test_events_are_read_as_the_serializer_writes_them(ours: Workspace) -> None:
    call = make.call(ours)
    events = [
        CallEvent.unscoped.create(workspace=ours, call=call, type="t", text="t", at=MOMENTS[0])
        for _ in range(ROWS)
    ]
    scramble(events, EventSerializer)

    fast, expected = both(EventSerializer, CallEvent.unscoped.order_by("pk"), {})

    assert fast == expected


def test_a_computed_field_must_name_its_columns() -> None:
    class Nameless(ReadsValues):
        title = serializers.SerializerMethodField()

        def get_title(self, row: Any) -> str:
            return "x"

    with pytest.raises(TypeError, match=r"Nameless\.title does not name the columns"):
        Nameless.field_names()


def test_a_field_with_a_form_of_its_own_is_applied_to_each_value(ours: Workspace) -> None:
    class Loud(serializers.CharField):
        def to_representation(self, value: Any) -> str:
            return str(value).upper()

    class Kind(ReadsValues):
        text = Loud()
        hidden = serializers.CharField(write_only=True)

        def get_fields(self) -> dict[str, Any]:
            # A serializer has an attribute `data` of its own.
            return {**super().get_fields(), "data": serializers.DictField(child=Loud())}

    call = make.call(ours)
    for data in ({"a": "b"}, {}):
        CallEvent.unscoped.create(
            workspace=ours, call=call, type="t", text="text", at=MOMENTS[0], data=data
        )

    fast, expected = both(Kind, CallEvent.unscoped.order_by("pk"), {})

    assert fast == expected == b'[{"text":"TEXT","data":{"a":"B"}},{"text":"TEXT","data":{}}]'
