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
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Expression
from django.db.models.query import ModelIterable, get_related_populators

Row = TypeVar("Row")
MAX_WRITTEN_OUT = 1000  # texts with their values, of a process


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
    for_json: bool
    texts: Sequence[int]  # the columns of JSON that is read as text


class CompiledQuery(Generic[Row]):
    """A query of fixed shape. `build` returns its queryset from one expression per parameter.

    The queryset yields instances, with what `select_related` names, or tuples (`values_list`).
    What needs further queries, such as `prefetch_related`, is refused, and so are parameters where
    the value decides on the shape: a condition with None must be another query.

    It should find rows by a key: PostgreSQL plans it once, whatever its parameters are.
    With `for_json`, tuples hold JSON as its text, and perhaps ids.
    """

    def __init__(
        self,
        build: Callable[..., models.QuerySet[Any, Row]],
        *,
        for_json: bool = False,
        **parameters: "models.Field[Any, Any]",
    ) -> None:
        self._build = build
        self._for_json = for_json
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
        statement = self._statement(default_connection())
        return run_statement(statement, values, is_prepared=True)

    def queryset(self, **values: Any) -> models.QuerySet[Any, Row]:
        """Return the queryset with these values, as Django would run it. For tests and EXPLAIN."""
        return self._build(**values)

    def _statement(self, connection: BaseDatabaseWrapper) -> Statement:
        key = (connection.alias, connection.vendor)
        statement = self._statements.get(key)
        if statement is None:
            with self._compiling:
                markers = {name: Parameter(name, kind) for name, kind in self._parameters.items()}
                built = self._build(**markers)
                statement = compile_statement(built, connection, for_json=self._for_json)
                self._statements[key] = statement
        return statement


class CompiledQueryOfKeys(CompiledQuery[Row]):
    """A query of rows by several keys, `most` at the most. `build` gets a list of expressions."""

    def __init__(
        self,
        build: Callable[[list[Any]], models.QuerySet[Any, Row]],
        field: "models.Field[Any, Any]",
        *,
        most: int,
    ) -> None:
        self._names = [f"key{number}" for number in range(most)]
        super().__init__(
            lambda **keys: build([*keys.values()]),
            **dict.fromkeys(self._names, field),  # type: ignore[arg-type]  # none is `for_json`
        )

    def rows_of(self, keys: Sequence[Any]) -> list[Row]:
        """Return the rows of the keys. Raises IndexError for none, ValueError for too many."""
        # Always as many, so that it is one statement.
        filled = [*keys, *[keys[-1]] * (len(self._names) - len(keys))]
        return self.rows(**dict(zip(self._names, filled, strict=True)))


def default_connection() -> BaseDatabaseWrapper:
    """Return the connection of the database that there is."""
    # Tenancy and authentication read where they write: there is one database.
    return connections["default"]


def compile_statement(
    queryset: Any, connection: BaseDatabaseWrapper, *, for_json: bool = False
) -> Statement:
    """Return the statement of a queryset. With `for_json`, JSON and perhaps ids are read as text.

    Raises TypeError for a queryset that a statement alone does not answer.
    """
    if queryset._prefetch_related_lookups or queryset._known_related_objects:
        raise TypeError("A compiled query can neither prefetch nor begin at an instance")
    compiler = queryset.query.get_compiler(using=connection.alias)
    sql, parameters = compiler.as_sql()
    columns = [column for column, *_ in compiler.select]
    yields_instances = issubclass(queryset._iterable_class, ModelIterable)
    return Statement(
        sql=sql,
        parameters=parameters,
        column_count=len(columns),
        # A backend's converters know no more of the connection than its settings, so that those of
        # the connection that came first serve all.
        converters=[
            (position, kept, column)
            for position, (functions, column) in compiler.get_converters(columns).items()
            if (kept := _without_parsing(functions, column) if for_json else functions)
        ],
        make=_instance_maker(compiler, queryset) if yields_instances else tuple,
        for_json=for_json,
        texts=[position for position, column in enumerate(columns) if _is_json(column)]
        if for_json
        else (),
    )


def run_statement(
    statement: Statement, values: Mapping[str, Any], *, is_prepared: bool | None = False
) -> list[Any]:
    """Run a statement with these values of its parameters, and return its rows.

    `is_prepared` makes PostgreSQL plan it once, for any values: wrong where their frequency decides
    on the best plan. With None, the values are part of the text, and PostgreSQL keeps the plan of a
    text that comes again: a plan for these values, until its statistics change.
    """
    connection = default_connection()
    arguments: tuple[Any, ...] | None = tuple(
        part.output_field.get_db_prep_value(values[part.name], connection, prepared=False)
        if isinstance(part, Parameter)
        else part
        for part in statement.parameters
    )
    sql = statement.sql
    if is_prepared is None and connection.vendor == "postgresql":
        sql, arguments = _write_out(sql, arguments), None
    with kept_cursor(connection, for_json=statement.for_json, is_prepared=is_prepared) as cursor:
        cursor.execute(sql, arguments)
        found = cursor.fetchall()
    if not statement.converters:
        return found if statement.make is tuple else [statement.make(row) for row in found]
    return [statement.make(row) for row in _convert(found, statement, connection)]


@lru_cache(maxsize=MAX_WRITTEN_OUT)
def _write_out(sql: str, arguments: tuple[Any, ...]) -> str:
    """Return the text with its values, which takes as long as preparing it saves."""
    # The stubs lack it.
    text: str = default_connection().ops.compose_sql(sql, arguments)  # type: ignore[attr-defined]
    return text


def kept_cursor(connection: Any, *, for_json: bool = False, is_prepared: bool | None) -> Any:
    """Return a cursor for a statement that is kept."""
    if connection.vendor != "postgresql":
        return connection.cursor()
    return connection.kept_statement_cursor(for_json=for_json, is_prepared=is_prepared)


def _without_parsing(
    functions: Sequence[Callable[..., Any]], column: Any
) -> Sequence[Callable[..., Any]]:
    """Leave JSON as its text."""
    if not _is_json(column):
        return functions
    own = column.output_field
    return [function for function in functions if getattr(function, "__self__", None) is not own]


def _is_json(column: Any) -> bool:
    return type(column.output_field) is models.JSONField


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
