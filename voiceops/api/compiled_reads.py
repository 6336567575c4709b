"""Reads compiled from a serializer: the JSON of many rows without an instance or a field per row.

A serializer is the one description of a body. REST framework applies it to one instance at a time,
a field object at a time, which costs more than the query. A serializer that inherits `ReadsValues`
is looked through once instead: which columns its fields come from, and which of them need more than
to be passed on. Then a page is read as tuples of those columns.

A field that is computed from several columns names them in `computed_from`, or in its own attribute
`columns` (`source="*"`). It is given a row with those attributes in place of an instance.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, ClassVar, NamedTuple

import orjson
from django.db.models import QuerySet
from orjson import Fragment
from rest_framework import fields, relations, serializers
from typing_extensions import TypeIs

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
    column: int | None  # its position among the plan's
    represent: Callable[[Any, Any], Any]  # of the serializer and the value or row


class Plan(NamedTuple):
    """What was found out about a serializer."""

    names: list[str]
    columns: Sequence[str]
    pick: Callable[[Sequence[Any]], tuple[Any, ...]]  # the values of `names`, out of a row
    steps: Sequence[Step]
    stepped: frozenset[int]  # the columns that steps are given
    make_row: Callable[[Sequence[Any]], Any]  # with its columns as attributes


class ReadsValues(serializers.Serializer[Any]):
    # A serializer from which reads are compiled; its rows have attributes named as columns. No
    # docstring: the API's description would show it for every serializer without one of its own.

    # Fields that are computed of several columns, by `get_<field>` or by `read_<field>` where the
    # field is written, too.
    computed_from: ClassVar[Mapping[str, Sequence[str]]] = {}
    # Columns that are no columns of the table, as expressions.
    annotations: ClassVar[Mapping[str, Any]] = {}
    # Set where a body needs the instance itself, such as its decrypted secrets.
    needs_instances: ClassVar[bool] = False

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the body of an instance, made as those of rows are."""
        kind = type(self)
        if kind.needs_instances:
            body: dict[str, Any] = super().to_representation(instance)
            for name in kind.computed_from:
                body[name] = getattr(self, f"read_{name}")(instance)
            return body
        row = [_value_at(instance, name) for name in compile_plan(kind).columns]
        return _bodies(self, compile_plan(kind), [row])[0]

    @classmethod
    def field_names(cls) -> list[str]:
        """Return the names of a body, in their order."""
        return compile_plan(cls).names

    @classmethod
    def values_of(cls, rows: QuerySet[Any], *more: str) -> QuerySet[Any, Any]:
        """Return the queryset of the columns that `read` needs, and more after them."""
        annotated: QuerySet[Any, Any] = rows.annotate(**cls.annotations)
        return annotated.values_list(*compile_plan(cls).columns, *more, named=True)

    @classmethod
    def related_values(cls, rows: Sequence[Any]) -> dict[str, Any]:
        """Return what the context needs to know of a page's rows, read for all of them at once."""
        return {}

    @classmethod
    def read(
        cls,
        rows: Iterable[Sequence[Any]],
        context: Mapping[str, Any] | None = None,
        *,
        texts: Sequence[int] = (),
    ) -> list[dict[str, Any]]:
        """Return the bodies of rows that `values_of` has read.

        In the columns of `texts` JSON is text. It stays as it is, unless a field needs its value.
        """
        plan = compile_plan(cls)
        if texts:
            rows = _with_json(rows, texts, plan.stepped)
        if not plan.steps:
            names, pick = plan.names, plan.pick
            return [dict(zip(names, pick(row), strict=True)) for row in rows]
        rows = list(rows)
        related = cls.related_values([plan.make_row(row) for row in rows]) if rows else {}
        return _bodies(cls(context={**(context or {}), **related}), plan, rows)


def reads_values(kind: type[Any]) -> TypeIs[type[ReadsValues]]:
    """Whether a serializer's bodies are made of its columns' values."""
    return issubclass(kind, ReadsValues) and not kind.needs_instances


def _bodies(
    serializer: ReadsValues, plan: Plan, rows: Iterable[Sequence[Any]]
) -> list[dict[str, Any]]:
    names, pick, steps = plan.names, plan.pick, plan.steps
    needs_whole = any(step.column is None for step in steps)
    bodies = []
    for row in rows:
        body = dict(zip(names, pick(row), strict=True))
        whole = plan.make_row(row) if needs_whole else None
        for name, column, represent in steps:
            value = whole if column is None else row[column]
            body[name] = None if value is None else represent(serializer, value)
        bodies.append(body)
    return bodies


def _with_json(
    rows: Iterable[Sequence[Any]], texts: Sequence[int], parsed: frozenset[int]
) -> Iterator[list[Any]]:
    """Yield rows whose JSON is parsed where it is needed, and passed on as it is elsewhere."""
    makers = [(position, orjson.loads if position in parsed else Fragment) for position in texts]
    for row in rows:
        values = list(row)
        for position, make in makers:
            if (text := values[position]) is not None:
                values[position] = make(text)
        yield values


@cache
def compile_plan(kind: type[ReadsValues]) -> Plan:
    """Look through a serializer, once per process.

    Raises TypeError for a computed field that does not name its columns.
    """
    columns: list[str] = []
    steps: list[Step] = []
    positions: list[int] = []
    stepped: set[int] = set()
    readable = {name: field for name, field in kind().fields.items() if not field.write_only}
    for name, field in readable.items():
        needed = _columns_of(kind, name, field)
        columns += [column for column in needed if column not in columns]
        position = columns.index(needed[0])
        positions.append(position)
        if name in kind.computed_from or field.source == "*":
            steps.append(Step(name, None, _of_row(kind, name, field)))
        elif not is_passed_on(field):
            steps.append(Step(name, position, _of_value(field)))
        else:
            continue
        stepped |= {columns.index(column) for column in needed}
    make_row = make_row_class(columns)
    pick: Any = itemgetter(*positions) if len(positions) > 1 else lambda row: (row[positions[0]],)
    return Plan(list(readable), columns, pick, steps, frozenset(stepped), make_row)


def make_row_class(columns: Sequence[str]) -> Callable[[Sequence[Any]], Any]:
    """Return what makes a row of its values, with its columns as attributes.

    Values behind those of the columns are left out.
    """
    make: Callable[[Iterable[Any]], Any] = getattr(namedtuple("Row", columns), "_make")  # noqa: B009
    width = len(columns)
    return lambda values: make(values[:width])


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
    if name in kind.computed_from or field.source == "*":
        needed = kind.computed_from.get(name, ()) or getattr(field, "columns", ())
        if not needed:
            raise TypeError(f"{kind.__name__}.{name} does not name the columns it is computed from")
        return needed
    path = "__".join(field.source_attrs)
    is_key = isinstance(field, relations.PrimaryKeyRelatedField)
    return [f"{path}_id" if is_key else path]


def _of_row(kind: type[ReadsValues], name: str, field: Any) -> Callable[[Any, Any], Any]:
    is_method = isinstance(field, fields.SerializerMethodField)
    method = getattr(kind, str(field.method_name) if is_method else f"read_{name}", None)
    return method or _of_value(field)


def _of_value(field: Any) -> Callable[[Any, Any], Any]:
    represent = field.to_representation
    return lambda serializer, value: represent(value)


def _value_at(instance: Any, path: str) -> Any:
    for name in path.split("__"):
        if instance is None:
            return None
        instance = getattr(instance, name)
    return instance
