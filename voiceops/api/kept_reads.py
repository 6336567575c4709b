"""Pages of lists, and single rows, read by statements that are kept.

Django takes longer to write the SQL of a list than PostgreSQL takes to run it. What a list's SQL
looks like depends on little: on the view, on which filters are given, on the order and the size of
the page. So the statement of each such shape is kept, with parameters for the workspace and the ids
in filters; the values of choices are part of the shape.

A page and its exact total are one statement. The total is counted before: joins of the columns take
no part in it, and an index suffices. A deep page is found in the index alone, and only then read.
Filters by anything else than ids and choices have their statement written anew for each request.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

from django.db import models
from django.db.models import QuerySet, prefetch_related_objects
from django.db.models.expressions import Expression
from django.db.models.query import ModelIterable
from rest_framework.serializers import BaseSerializer

from voiceops.api.compiled_reads import make_row_class, reads_values
from voiceops.api.fields import Choice, Uuid
from voiceops.db.compiled_query import (
    Parameter,
    Statement,
    compile_statement,
    default_connection,
    run_statement,
)

DEEP_PAGE_ROWS = 1000
MAX_KEPT = 2000  # statements of a process; the least shapes that clients use are a few dozen
ROWS_TO_SKIP = 9_007_199_254_740_993  # stands in a statement for the number of rows to skip
MAX_SKIPPED = 2**62  # what both databases can skip, and more rows than there can be
TOTAL = "total_of_rows"  # the last column of a page
NO_FILTERS = ("page", "page_size", "sort")
WALKS = frozenset(("after_id", "before_id"))

Build = Callable[[Mapping[str, Any]], QuerySet[Any, Any]]


class Source(NamedTuple):
    """Rows of one shape. `build` returns their queryset from the values, or from parameters.

    All that the queryset depends on, besides the values, is in `key`. Without a key the statement
    is not kept. `unique` is the column by which a deep page is found. `narrow` leaves out rows that
    count for the total, but lie before those that are walked to. `counted` returns rows whose
    `number`s add up to the total, where such are kept. `count_limit` is where counting ends.
    """

    key: Hashable
    build: Build
    values: Mapping[str, Any]
    unique: str = "pk"
    narrow: Callable[[QuerySet[Any, Any]], QuerySet[Any, Any]] | None = None
    counted: Build | None = None
    count_limit: int | None = None


class PageBounds(NamedTuple):
    """Which rows of a list: `size` of them, after the first `start`."""

    start: int
    size: int


class Kept(NamedTuple):
    """A statement, and what its instances need besides (`prefetch_related`)."""

    statement: Statement
    prefetched: Sequence[Any] = ()


class Total(Expression):
    """The number of all rows, by a statement of its own inside the page's."""

    output_field = models.IntegerField()

    def __init__(self, sql: str, parameters: tuple[Any, ...]) -> None:
        super().__init__()
        self.sql, self.parameters = sql, parameters

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return f"({self.sql})", list(self.parameters)


_statements: dict[Hashable, Any] = {}
_writing = Lock()


def read_page(
    source: Source,
    kind: type[BaseSerializer[Any]],
    bounds: PageBounds,
    context: Mapping[str, Any],
) -> tuple[list[Any], int]:
    """Return the bodies of a page's rows, and the number of all rows, up to the source's limit."""
    depth = _depth_of(bounds)
    page = _keep(
        (source.key, kind, bounds.size, depth),
        source,
        lambda values: _page_statement(source, values, kind, bounds, depth),
    )
    statement = page.statement
    sql = statement.sql.replace(str(ROWS_TO_SKIP), str(min(bounds.start, MAX_SKIPPED)), 1)
    # What is not kept here depends on more than ids, such as a text that is searched for.
    is_prepared = False if source.key is None else None
    found = run_statement(statement._replace(sql=sql), source.values, is_prepared=is_prepared)
    if found:
        first = found[0]
        total = first[-1] if isinstance(first, tuple) else getattr(first, TOTAL)
        return _bodies_of(found, kind, page, context), total
    if not bounds.start and source.narrow is None:
        return [], 0
    counted = _keep(
        (source.key, "count"),
        source,
        lambda values: Kept(_total_statement(source, values, source.build(values))),
    )
    return [], run_statement(counted.statement, source.values)[0][0]


def read_row(
    source: Source, kind: type[BaseSerializer[Any]], context: Mapping[str, Any]
) -> Any | None:
    """Return the body of the one row, or None when there is none."""
    return next(iter(read_rows(source, kind, context)), None)


def read_rows(
    source: Source, kind: type[BaseSerializer[Any]], context: Mapping[str, Any]
) -> list[Any]:
    """Return the bodies of the few rows that a key finds."""
    kept = _keep(
        (source.key, kind), source, lambda values: _kept(_columns(source.build(values), kind))
    )
    found = run_statement(kept.statement, source.values, is_prepared=True)
    return _bodies_of(found, kind, kept, context)


def find_row(source: Source) -> Any | None:
    """Return the instance of the one row, or None when there is none."""
    kept = _keep((source.key, "instance"), source, lambda values: _kept(source.build(values)))
    found = run_statement(kept.statement, source.values, is_prepared=True)
    prefetch_related_objects(found, *kept.prefetched)
    return found[0] if found else None


def find_columns(source: Source, columns: Sequence[str]) -> Any | None:
    """Return these columns of the one row as a named tuple, or None when there is no row."""

    def compile_it(values: Mapping[str, Any]) -> tuple[Statement, Any]:
        rows = source.build(values).values_list(*columns)
        return compile_statement(rows, default_connection()), make_row_class(columns)

    statement, make = _keep((source.key, columns), source, compile_it)
    found = run_statement(statement, source.values, is_prepared=True)
    return make(found[0]) if found else None


@cache
def _kinds_of_filters(query_class: Any) -> Mapping[str, str]:
    """Return which filters of a list are ids and choices, by their names."""
    fields = query_class().fields
    kinds = {"choice": Choice, "id": Uuid}
    return {
        name: kind
        for name, field in fields.items()
        for kind, field_class in kinds.items()
        if type(field) is field_class
    }


def split_filters(
    query_class: Any, query: Mapping[str, Any]
) -> tuple[Hashable | None, dict[str, Any]]:
    """Return what the shape of a list depends on in its query, and the parameters.

    The former is None where the statement cannot be kept.
    """
    kinds = _kinds_of_filters(query_class)
    filters = {name: value for name, value in query.items() if name not in NO_FILTERS}
    if not filters.keys() <= kinds.keys() or not WALKS.isdisjoint(filters):
        return None, {}
    ids = {name: value for name, value in filters.items() if kinds[name] == "id"}
    chosen = {name: value for name, value in filters.items() if name not in ids}
    return (query.get("sort"), tuple(sorted(chosen.items())), tuple(sorted(ids))), ids


def _keep(key: Hashable, source: Source, compile_it: Callable[[Mapping[str, Any]], Any]) -> Any:
    """Return what was made for this key of the source's values, or make it."""
    if source.key is None:
        return compile_it(source.values)
    vendor_key = (default_connection().vendor, key)
    if vendor_key not in _statements:
        markers = {name: Parameter(name, models.UUIDField()) for name in source.values}
        made = compile_it(markers)
        with _writing:
            if len(_statements) >= MAX_KEPT:
                _statements.clear()
            _statements[vendor_key] = made
        return made
    return _statements[vendor_key]


def _depth_of(bounds: PageBounds) -> str:
    if bounds.start >= DEEP_PAGE_ROWS:
        return "deep"
    return "later" if bounds.start else "first"


def _page_statement(
    source: Source,
    values: Mapping[str, Any],
    kind: type[BaseSerializer[Any]],
    bounds: PageBounds,
    depth: str,
) -> Kept:
    queryset = source.build(values)
    listed = source.narrow(queryset) if source.narrow else queryset
    start = 0 if depth == "first" else ROWS_TO_SKIP
    rows = slice(start, start + bounds.size)
    if depth == "deep":
        unique = listed.values(source.unique)[rows]
        listed, rows = listed.filter(**{f"{source.unique}__in": unique}), slice(None)
    total = _total_statement(source, values, queryset)
    listed = listed.annotate(**{TOTAL: Total(total.sql, tuple(total.parameters))})
    if reads_values(kind):
        listed = kind.values_of(listed, TOTAL)
    return _kept(listed[rows])


def _total_statement(
    source: Source, values: Mapping[str, Any], queryset: QuerySet[Any, Any]
) -> Statement:
    """Count the rows, or add up the numbers that are kept of them."""
    if source.counted is None:
        rows, total = queryset.values_list("pk"), "COUNT(*)"
    else:
        rows, total = source.counted(values).values_list("number"), "COALESCE(SUM(number), 0)"
    counted = _kept(rows.order_by()[: source.count_limit]).statement
    sql = f"SELECT {total} FROM ({counted.sql}) counted"  # noqa: S608 Django has written it
    return counted._replace(sql=sql, converters=(), texts=())


def _columns(queryset: QuerySet[Any, Any], kind: type[BaseSerializer[Any]]) -> QuerySet[Any, Any]:
    """Read the columns that the serializer needs, or whole instances."""
    return kind.values_of(queryset) if reads_values(kind) else queryset


def _kept(queryset: QuerySet[Any, Any]) -> Kept:
    has_instances = issubclass(queryset._iterable_class, ModelIterable)
    lookups = getattr(queryset, "_prefetch_related_lookups", ()) if has_instances else ()
    statement = compile_statement(
        queryset.prefetch_related(None), default_connection(), for_json=not has_instances
    )
    return Kept(statement, lookups)


def _bodies_of(
    rows: Sequence[Any], kind: type[BaseSerializer[Any]], kept: Kept, context: Mapping[str, Any]
) -> list[Any]:
    if reads_values(kind):
        return kind.read(rows, context, texts=kept.statement.texts)
    prefetch_related_objects(rows, *kept.prefetched)
    # Not with `many=True`: such a serializer keeps the rows, and fields refer to it in circles.
    serializer = kind(context=dict(context))
    return [serializer.to_representation(row) for row in rows]
