"""What is read from values is what the serializer makes of the instances, for every serializer."""

from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.db import models
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers

from accounts.models import AuditEntry, Workspace
from accounts.serializers.audit import AuditEntrySerializer
from accounts.serializers.members import (
    ApiKeySerializer,
    InvitationSerializer,
    MemberSerializer,
)
from agents.serializers.rehearsals import RehearsalSerializer
from batches.models import Batch
from batches.serializers.batches import BatchSerializer
from batches.serializers.callbacks import CallbackSerializer
from batches.serializers.column_mappings import SavedMappingSerializer
from batches.serializers.recipients import RecipientSerializer, RejectedRowSerializer
from batches.serializers.suppressions import (
    SuppressionImportSerializer,
    SuppressionSerializer,
)
from telephony.models import Call, CallEvent
from telephony.serializers.calls import (
    CallSerializer,
    EventSerializer,
    TurnSerializer,
    serialize_call,
)
from telephony.serializers.numbers import SipTrunkSerializer
from tests import make
from tests.admin import rows as admin_rows
from tests.architecture.routes import routes
from voiceops.api.compiled_reads import ReadsValues, compile_plan, reads_values
from voiceops.api.kept_reads import PageBounds, Source, read_page, read_row
from voiceops.api.renderers import encode_json
from webhooks.serializers import DeliverySerializer, WebhookSerializer

pytestmark = pytest.mark.django_db
ROWS = 30
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


# Unique, or bound to another column by a constraint.
KEPT = ("row_number", "phone_number", "external_id", "prefix", "livekit_trunk_id", "name", "email")
REFUSED = {"row_number": 3, "error_code": "a", "error_message": "b", "values": {"c": "d"}}
# JSON of a form of its own.
VALUES: dict[str, tuple[Any, ...]] = {
    "column_mapping": ({"Tel": "phone_number", "Name": None}, {}),
    "column_roles": ({}, {"Zone": "timezone"}),
    "columns": (["Tel", "Name"], []),
    "variable_names": ([None, "name"], []),
    "calling_window": ({"days": [1, 5], "start": "09:00", "end": "18:00"},),
    "retry": ({"max_attempts": 3, "delay_minutes": [5, 1.5], "outcomes": ["busy"]},),
    "usage": ([{"kind": "llm", "model": "m", "input_tokens": 3, "cost": 0.5}], []),
    "latency": ({"p50": 0.5, "p95": None, "total": 1.5},),
    "rejected": ([REFUSED], []),
    "scripts": (["greets"], []),
    "replay": (["01a22976-6a04-7214-9098-7fd7ba1bf778"], []),
    "results": ([{"name": "greets", "passed": True}, {"name": "ends", "passed": False}], []),
}
MAKERS: dict[type[ReadsValues], Callable[[Workspace], Any]] = {
    AuditEntrySerializer: make.audit_entry,
    MemberSerializer: make.membership,
    InvitationSerializer: make.invitation,
    ApiKeySerializer: lambda workspace: make.api_key(workspace)[0],
    RehearsalSerializer: lambda workspace: make.rehearsal(make.agent(workspace)),
    CallSerializer: lambda workspace: make.call(workspace, agent=make.agent(workspace)),
    EventSerializer: admin_rows.event,
    TurnSerializer: admin_rows.turn,
    SipTrunkSerializer: make.sip_trunk,
    BatchSerializer: make.batch,
    RecipientSerializer: lambda workspace: make.recipient(list_of(workspace)),
    RejectedRowSerializer: lambda workspace: make.rejected_row(
        list_of(workspace), row_number=workspace.rejected_rows.count()
    ),
    CallbackSerializer: make.callback,
    SavedMappingSerializer: make.saved_mapping,
    SuppressionSerializer: make.suppression,
    SuppressionImportSerializer: make.suppression_import,
    WebhookSerializer: make.webhook,
    DeliverySerializer: lambda workspace: make.delivery(make.webhook(workspace)),
}


def list_of(workspace: Workspace) -> Batch:
    """The one list of the workspace."""
    return workspace.batches.first() or make.batch(workspace)


def random_value(field: Any, random: Random) -> Any:
    """A value that the column may hold."""
    if field.null and random.random() < 0.3:
        return None
    if field.attname in VALUES:
        return random.choice(VALUES[field.attname])
    if field.choices:
        return random.choice([value for value, _ in field.flatchoices])
    kinds: list[tuple[type, tuple[Any, ...]]] = [
        (models.DateTimeField, MOMENTS),
        (models.BooleanField, (True, False)),
        (models.IntegerField, (0, 1, 487)),
        (models.UUIDField, (uuid4(),)),
        (models.JSONField, LISTS if isinstance(field.get_default(), list) else OBJECTS),
        (models.FloatField, (0.5, 20.0)),
        (models.TextField, ("", "+12025550101 +12025550102")),
        (models.CharField, ("", "a", "\n\t", 'Gr"ö'[: field.max_length])),
    ]
    return random.choice(next(values for kind, values in kinds if isinstance(field, kind)))


def scramble(rows: list[Any], kind: type[ReadsValues]) -> None:
    """Write a random value into every column of the rows that the serializer reads."""
    random = Random(7)  # noqa: S311 - the same rows in every run
    model = type(rows[0])
    if model is AuditEntry:
        return  # its rows never change
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
    serializer = kind(context=context)
    bodies = [serializers.Serializer.to_representation(serializer, row) for row in rows]
    for body, row in zip(bodies, rows, strict=True):
        # What is computed from several columns has a method for it.
        body.update(
            (name, getattr(serializer, f"read_{name}")(Paths(row)))
            for name in kind.computed_from
            if hasattr(serializer, f"read_{name}")
        )
    return bodies


class Paths:
    """An instance whose related columns are attributes, as in a row."""

    def __init__(self, instance: Any) -> None:
        self.instance = instance

    def __getattr__(self, path: str) -> Any:
        value = self.instance
        for name in path.split("__"):
            value = None if value is None else getattr(value, name)
        return value


def parsed(bodies: Any) -> Any:
    """What a client reads."""
    return orjson.loads(encode_json(bodies))


def both(kind: type[ReadsValues], rows: QuerySet[Any], context: dict[str, Any]) -> tuple[Any, Any]:
    """The bodies as kept statements read them, and as REST framework makes them."""
    instances = list(rows.annotate(**kind.annotations))
    source = Source(key=None, build=lambda values: rows, values={})
    fast, total = read_page(source, kind, PageBounds(0, 200), context)
    assert len(fast) == total == len(instances) > 0
    assert parsed(read_row(source, kind, context)) == parsed(fast[0])
    expected = parsed(slow(kind, instances, context))
    assert parsed(kind(instances, many=True, context=context).data) == expected
    return parsed(fast), expected


@pytest.mark.parametrize("kind", MAKERS, ids=lambda kind: kind.__name__)
def test_rows_are_read_as_the_serializer_writes_them(
    ours: Workspace, kind: type[ReadsValues]
) -> None:
    rows = [MAKERS[kind](ours) for _ in range(ROWS)]
    scramble(rows, kind)
    context = {"workspace": ours, "batch": list_of(ours), "now": timezone.now()}
    queryset = type(rows[0])._base_manager.filter(pk__in=[row.pk for row in rows]).order_by("pk")

    fast, expected = both(kind, queryset, context)

    assert fast == expected


def test_every_list_is_among_them() -> None:
    kinds = {getattr(route.view, "serializer_class", None) for route in routes()}

    listed = {kind for kind in kinds if kind and reads_values(kind)}

    assert listed <= set(MAKERS)


def test_a_call_without_an_agent_is_read_as_it_is_serialized(ours: Workspace) -> None:
    make.call(ours)
    Call.unscoped.update(agent=None, agent_version=None)

    fast, expected = both(CallSerializer, Call.unscoped.order_by("pk"), {})

    assert fast == expected == [parsed(serialize_call(Call.unscoped.get()))]


def test_a_recipient_is_read_with_its_last_call_that_was_sent(ours: Workspace) -> None:
    recipient = make.recipient(make.batch(ours))
    calls = [
        make.call(ours, recipient_id=recipient.pk, batch_id=recipient.batch_id, sequence=number,
                  dialed_at=dialed_at, stage="ended")
        for number, dialed_at in ((2, MOMENTS[0]), (1, MOMENTS[1]), (3, None))
    ]  # fmt: skip
    context = {"workspace": ours, "batch": recipient.batch, "now": timezone.now()}
    rows = type(recipient).unscoped.all()

    fast, expected = both(RecipientSerializer, rows, context)

    assert fast == expected
    assert fast[0]["last_call_id"] == str(calls[0].pk)


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

    assert fast == expected == [{"text": "TEXT", "data": {"a": "B"}}, {"text": "TEXT", "data": {}}]
