"""Queries whose SQL is generated once.

Django generates the SQL of a queryset anew each time it is read. With a few joins that costs more
than the query itself. A query that every request makes is therefore written once, as a queryset
with parameters, and its statement is kept:

    USER_QUERY = CompiledQuery(
        lambda email: User.objects.select_related("default_workspace").filter(email=email),
        email=models.EmailField(),
    )
    user = USER_QUERY.first(email="ada@example.com")

Only the statement is kept, never a row: each call reads the database.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Expression
from django.db.models.query import ModelIterable, get_related_populators

Row = TypeVar("Row")


class Parameter(Expression):
    """A value that is given when the query runs, converted as a value of `field` is."""

    def __init__(self, name: str, field: "models.Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]


class Statement(NamedTuple):
    """What Django has made of a queryset for one kind of database."""

    sql: str
    parameters: Sequence[Any]
    column_count: int
    converters: Sequence[tuple[int, Sequence[Callable[..., Any]], Any]]
    make: Callable[[Sequence[Any]], Any]


class CompiledQuery(Generic[Row]):
    """A query of fixed shape. `build` returns its queryset from one expression per parameter.

    The queryset yields instances, with what `select_related` names, or tuples (`values_list`).
    What needs further queries, such as `prefetch_related`, is refused, and so are parameters where
    the value decides on the shape: a condition with None must be another query.
    """

    def __init__(
        self,
        build: Callable[..., models.QuerySet[Any, Row]],
        **parameters: "models.Field[Any, Any]",
    ) -> None:
        self._build = build
        self._parameters = parameters
        self._statements: dict[tuple[str, str], Statement] = {}
        self._compiling = threading.Lock()

    def first(self, **values: Any) -> Row | None:
        """Return the first row, or None. The query should find one at most."""
        return next(iter(self.rows(**values)), None)

    def rows(self, **values: Any) -> list[Row]:
        """Run the query with these values of its parameters, and return all rows.

        Raises TypeError when the values are not those of the parameters.
        """
        if values.keys() != self._parameters.keys():
            raise TypeError(f"The query needs values of {sorted(self._parameters)}")
        # Tenancy and authentication read where they write: there is one database.
        connection = connections["default"]
        statement = self._statement(connection)
        arguments = tuple(
            part.output_field.get_db_prep_value(values[part.name], connection, prepared=False)
            if isinstance(part, Parameter)
            else part
            for part in statement.parameters
        )
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, arguments)
            found = cursor.fetchall()
        return [statement.make(row) for row in _convert(found, statement, connection)]

    def queryset(self, **values: Any) -> models.QuerySet[Any, Row]:
        """Return the queryset with these values, as Django would run it. For tests and EXPLAIN."""
        return self._build(**values)

    def _statement(self, connection: BaseDatabaseWrapper) -> Statement:
        key = (connection.alias, connection.vendor)
        statement = self._statements.get(key)
        if statement is None:
            with self._compiling:
                markers = {name: Parameter(name, kind) for name, kind in self._parameters.items()}
                statement = _compile(self._build(**markers), connection)
                self._statements[key] = statement
        return statement


def _compile(queryset: Any, connection: BaseDatabaseWrapper) -> Statement:
    """Raises TypeError for a queryset that a statement alone does not answer."""
    if queryset._prefetch_related_lookups or queryset._known_related_objects:
        raise TypeError("A compiled query can neither prefetch nor begin at an instance")
    compiler = queryset.query.get_compiler(using=connection.alias)
    sql, parameters = compiler.as_sql()
    columns = [column for column, *_ in compiler.select]
    return Statement(
        sql=sql,
        parameters=parameters,
        column_count=len(columns),
        # A backend's converters know no more of the connection than its settings, so that those of
        # the connection that came first serve all.
        converters=[
            (position, functions, column)
            for position, (functions, column) in compiler.get_converters(columns).items()
        ],
        make=_instance_maker(compiler, queryset) if _yields_instances(queryset) else tuple,
    )


def _yields_instances(queryset: Any) -> bool:
    return issubclass(queryset._iterable_class, ModelIterable)


def _instance_maker(compiler: Any, queryset: Any) -> Callable[[Sequence[Any]], Any]:
    """Return how an instance is made of a row, as Django's `ModelIterable` does it."""
    klass_info, alias = compiler.klass_info, compiler.using
    model = klass_info["model"]
    start, end = klass_info["select_fields"][0], klass_info["select_fields"][-1] + 1
    names = [column.target.attname for column, *_ in compiler.select[start:end]]
    # The stubs describe a later Django.
    populators = get_related_populators(klass_info, compiler.select, alias)  # type: ignore[call-arg]
    annotations = list((compiler.annotation_col_map or {}).items())

    def make(row: Sequence[Any]) -> Any:
        instance = model.from_db(alias, names, row[start:end])
        for populator in populators:
            populator.populate(row, instance)
        for name, position in annotations:
            setattr(instance, name, row[position])
        return instance

    return make


def _convert(
    rows: Sequence[Sequence[Any]], statement: Statement, connection: BaseDatabaseWrapper
) -> Iterator[Sequence[Any]]:
    """Yield the rows with their values as the columns' fields have them."""
    for row in rows:
        values = list(row[: statement.column_count])
        for position, functions, column in statement.converters:
            value = values[position]
            for function in functions:
                value = function(value, column, connection)
            values[position] = value
        yield values
