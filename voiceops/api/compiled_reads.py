"""Reads compiled from a serializer: the JSON of many rows without an instance or a field per row.

A serializer is the one description of a body. REST framework applies it to one instance at a time,
a field object at a time, which costs more than the query. A serializer that inherits `ReadsValues`
is looked through once instead: which columns its fields come from, and which of them need more than
to be passed on. Then a page is read as tuples of those columns.

A field that is computed from several columns names them: a method's in `computed_from`, a field's
own (`source="*"`) in its attribute `columns`. It is given the tuple in place of an instance.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, ClassVar, NamedTuple

from django.db.models import QuerySet
from rest_framework import fields, relations, serializers

# What these return of a column's value is what orjson makes of it.
PASSED_ON = {
    kind.to_representation
    for kind in (
        fields.BooleanField,
        fields.CharField,
        fields.ChoiceField,
        fields.DateTimeField,
        fields.FloatField,
        fields.IntegerField,
        fields.UUIDField,
    )
}
ANY_CHILD = type(fields.DictField().child)  # of lists and objects whose content is free


class Step(NamedTuple):
    """A field that needs more than its column's value: computed of one column, or of the row."""

    name: str
    column: str | None
    represent: Callable[[Any, Any], Any]  # of the serializer and the value or row


class Plan(NamedTuple):
    """What was found out about a serializer."""

    names: list[str]
    columns: Sequence[str]
    pick: Callable[[Sequence[Any]], tuple[Any, ...]]  # the values of `names`, out of a row
    steps: Sequence[Step]


class ReadsValues(serializers.Serializer[Any]):
    # A serializer from which reads are compiled; its rows have attributes named as columns. No
    # docstring: the API's description would show it for every serializer without one of its own.

    computed_from: ClassVar[Mapping[str, Sequence[str]]] = {}

    @classmethod
    def field_names(cls) -> list[str]:
        """Return the names of a body, in their order."""
        return compile_plan(cls).names

    @classmethod
    def values_of(cls, rows: QuerySet[Any]) -> QuerySet[Any, Any]:
        """Return the queryset of the columns that `read` needs."""
        return rows.values_list(*compile_plan(cls).columns, named=True)

    @classmethod
    def read(
        cls, rows: Iterable[Sequence[Any]], context: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Return the bodies of rows that `values_of` has read."""
        plan = compile_plan(cls)
        names, pick, steps = plan.names, plan.pick, plan.steps
        if not steps:
            return [dict(zip(names, pick(row), strict=True)) for row in rows]
        serializer = cls(context=dict(context or {}))
        bodies = []
        for row in rows:
            body = dict(zip(names, pick(row), strict=True))
            for name, column, represent in steps:
                value = row if column is None else getattr(row, column)
                body[name] = None if value is None else represent(serializer, value)
            bodies.append(body)
        return bodies


@cache
def compile_plan(kind: type[ReadsValues]) -> Plan:
    """Look through a serializer, once per process.

    Raises TypeError for a computed field that does not name its columns.
    """
    columns: list[str] = []
    steps: list[Step] = []
    positions: list[int] = []
    readable = {name: field for name, field in kind().fields.items() if not field.write_only}
    for name, field in readable.items():
        needed = _columns_of(kind, name, field)
        columns += [column for column in needed if column not in columns]
        positions.append(columns.index(needed[0]))
        if field.source == "*":
            steps.append(Step(name, None, _of_row(field)))
        elif not is_passed_on(field):
            steps.append(Step(name, needed[0], _of_value(field)))
    return Plan(list(readable), columns, itemgetter(*positions), steps)


def is_passed_on(field: Any) -> bool:
    """Whether the field's JSON is that of its column's value."""
    if isinstance(field, fields.DictField | fields.ListField):
        is_plain = type(field).to_representation in (
            fields.DictField.to_representation,
            fields.ListField.to_representation,
        )
        return is_plain and (type(field.child) is ANY_CHILD or is_passed_on(field.child))
    if isinstance(field, relations.PrimaryKeyRelatedField):
        return field.pk_field is None  # the column holds the key
    return type(field).to_representation in PASSED_ON


def _columns_of(kind: type[ReadsValues], name: str, field: Any) -> Sequence[str]:
    if field.source == "*":
        needed: Sequence[str] = getattr(field, "columns", ()) or kind.computed_from.get(name, ())
        if not needed:
            raise TypeError(f"{kind.__name__}.{name} does not name the columns it is computed from")
        return needed
    path = "__".join(field.source_attrs)
    is_key = isinstance(field, relations.PrimaryKeyRelatedField)
    return [f"{path}_id" if is_key else path]


def _of_row(field: Any) -> Callable[[Any, Any], Any]:
    if isinstance(field, fields.SerializerMethodField):
        method_name = str(field.method_name)
        return lambda serializer, row: getattr(serializer, method_name)(row)
    return _of_value(field)


def _of_value(field: Any) -> Callable[[Any, Any], Any]:
    represent = field.to_representation
    return lambda serializer, value: represent(value)


def row_of(kind: type[ReadsValues], instance: Any) -> Sequence[Any]:
    """Return the row of an instance, as `values_of` would have read it."""
    plan = compile_plan(kind)
    row: Sequence[Any] = _row_class(kind)(*(_value_at(instance, name) for name in plan.columns))
    return row


@cache
def _row_class(kind: type[ReadsValues]) -> Any:
    return namedtuple("Row", compile_plan(kind).columns)


def _value_at(instance: Any, path: str) -> Any:
    for name in path.split("__"):
        if instance is None:
            return None
        instance = getattr(instance, name)
    return instance
