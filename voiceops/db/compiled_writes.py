"""Writes whose SQL is generated once, as `voiceops/db/compiled_query.py` does it for reads.

Every live call writes through the same few statements many times a minute; for those, Django spends
more on the SQL than the database on the row.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Expression
from django.db.models.sql import UpdateQuery

from voiceops.db.compiled_query import Parameter, default_connection, kept_cursor

# Of more rows in one statement, each length would be another statement to keep.
MAX_KEPT_ROWS = 16

UNCONVERTED_FIELDS = (
    *(models.UUIDField, models.CharField, models.TextField),
    *(models.BooleanField, models.DateTimeField),
)

_insert_statements: dict[tuple[type[models.Model], int, bool, str], str] = {}


class _GivenColumn(Expression):
    """A column of the values that are given for many rows at once."""

    def __init__(self, name: str, field: "models.Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return f"given.{connection.ops.quote_name(self.name)}", []


class CompiledUpdate:
    """An UPDATE of fixed shape. `build` returns the rows and their new values, from one expression
    per parameter:

        SEEN = CompiledUpdate(
            lambda pk, at: (Call.unscoped.filter(pk=pk), {"heard_at": at}),
            pk=models.UUIDField(),
            at=models.DateTimeField(),
        )
        changed = SEEN.run(pk=call.pk, at=now)

    A value that may be None can be written, but not compared with: a condition with None must be
    another statement.
    """

    def __init__(
        self,
        build: Callable[..., tuple[models.QuerySet[Any], Mapping[str, Any]]],
        **parameters: "models.Field[Any, Any]",
    ) -> None:
        self._build = build
        self._parameters = parameters
        self._statements: dict[str, tuple[str, Sequence[Any]]] = {}
        self._of_many: tuple[str, Sequence[Any]] | None = None
        self._compiling = threading.Lock()

    def run(self, **values: Any) -> int:
        """Write with these values of the parameters; returns how many rows were changed.

        Raises TypeError when the values are not those of the parameters.
        """
        if values.keys() != self._parameters.keys():
            raise TypeError(f"The update needs values of {sorted(self._parameters)}")
        connection = default_connection()
        sql, parts = self._statement(connection)
        arguments = tuple(
            part.output_field.get_db_prep_save(values[part.name], connection)
            if isinstance(part, Parameter)
            else part
            for part in parts
        )
        with kept_cursor(connection, is_prepared=True) as cursor:
            cursor.execute(sql, arguments)
            return int(cursor.rowcount)

    def run_unlocked(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Write for each of these values; returns the first parameter's value of those written.

        That must be the primary key of the table, and no two may be the same. On PostgreSQL it is
        one statement, which leaves out rows that somebody else has locked: so it holds many without
        ever waiting for one.
        """
        if not rows:
            return []
        connection = default_connection()
        names = list(self._parameters)
        if connection.vendor != "postgresql":
            with transaction.atomic(savepoint=False):
                return [row[names[0]] for row in rows if self.run(**row)]
        columns = {
            name: [field.get_db_prep_save(row[name], connection) for row in rows]
            for name, field in self._parameters.items()
        }
        sql, constants = self._statement_of_many(connection)
        arguments = (*columns.values(), columns[names[0]], *constants)
        with kept_cursor(connection, is_prepared=True) as cursor:
            cursor.execute(sql, arguments)
            return [key for (key,) in cursor.fetchall()]

    def _statement(self, connection: BaseDatabaseWrapper) -> tuple[str, Sequence[Any]]:
        statement = self._statements.get(connection.vendor)
        if statement is None:
            with self._compiling:
                statement = self._compiler(Parameter, connection)[1].as_sql()
                self._statements[connection.vendor] = statement
        return statement

    def _statement_of_many(self, connection: BaseDatabaseWrapper) -> tuple[str, Sequence[Any]]:
        if self._of_many is None:
            with self._compiling:
                self._of_many = self._compile_many(connection)
        return self._of_many

    def _compile_many(self, connection: BaseDatabaseWrapper) -> tuple[str, Sequence[Any]]:
        """Return Django's UPDATE, of the rows that are given and locked by nobody."""
        model, compiler = self._compiler(_GivenColumn, connection)
        update, constants = compiler.as_sql()
        where, _ = compiler.compile(compiler.query.where)
        quote = connection.ops.quote_name
        table, key = quote(model._meta.db_table), quote(model._meta.pk.column)
        names = [quote(name) for name in self._parameters]
        arrays = [f"%s::{field.db_type(connection)}[]" for field in self._parameters.values()]
        sql = (
            f"WITH given ({', '.join(names)}) AS (SELECT * FROM unnest({', '.join(arrays)})), "  # noqa: S608 names of our own
            f"free AS MATERIALIZED (SELECT {key} AS key FROM {table} "
            f"WHERE {key} = ANY({arrays[0]}) FOR NO KEY UPDATE SKIP LOCKED) "
            f"{update.removesuffix(f' WHERE {where}')} FROM given, free "
            f"WHERE given.{names[0]} = free.key AND {where} "
            f"RETURNING given.{names[0]}"
        )
        return sql, constants

    def _compiler(
        self, value_of: Callable[..., Expression], connection: BaseDatabaseWrapper
    ) -> tuple[Any, Any]:
        """Return the model, and Django's compiler of the UPDATE with these values in it."""
        values = {name: value_of(name, field) for name, field in self._parameters.items()}
        rows, changes = self._build(**values)
        query: Any = rows.query.chain(UpdateQuery)
        query.add_update_values(dict(changes))
        return rows.model, query.get_compiler(using=connection.alias)


def insert_rows(rows: Sequence[models.Model], *, ignore_conflicts: bool = False) -> int:
    """Insert rows of one model that have their primary keys; returns how many.

    With `ignore_conflicts` those that exist already stay as they are.
    """
    if not rows:
        return 0
    model = type(rows[0])
    if len(rows) > MAX_KEPT_ROWS:
        found = model._base_manager.bulk_create(rows, ignore_conflicts=ignore_conflicts)
        return len(found)
    connection = default_connection()
    columns = _columns(model, connection.vendor)
    values = [
        getattr(row, field.attname)
        if is_unconverted
        else field.get_db_prep_save(field.pre_save(row, add=True), connection)
        for row in rows
        for field, is_unconverted in columns
    ]
    with kept_cursor(connection, is_prepared=True) as cursor:
        sql = _insert_sql(model, len(rows), connection, ignore_conflicts=ignore_conflicts)
        cursor.execute(sql, values)
        count = int(cursor.rowcount)
    for row in rows:  # as `bulk_create` does it
        row._state.adding, row._state.db = False, connection.alias
    return count


@cache
def _columns(
    model: type[models.Model], vendor: str
) -> Sequence[tuple["models.Field[Any, Any]", bool]]:
    """Return the model's columns, and whether the database takes a value as the row has it."""
    return [
        (field, vendor == "postgresql" and _is_unconverted(field))
        for field in model._meta.concrete_fields
    ]


def _is_unconverted(field: "models.Field[Any, Any]") -> bool:
    """Whether psycopg takes the field's values, which Django would look at and hand on."""
    if isinstance(field, models.ForeignKey):
        return _is_unconverted(field.target_field)
    is_timed = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    return type(field) in UNCONVERTED_FIELDS and not is_timed


def _insert_sql(
    model: type[models.Model],
    count: int,
    connection: BaseDatabaseWrapper,
    *,
    ignore_conflicts: bool,
) -> str:
    key = (model, count, ignore_conflicts, connection.vendor)
    sql = _insert_statements.get(key)
    if sql is None:
        quote = connection.ops.quote_name
        columns = [quote(str(field.column)) for field in model._meta.concrete_fields]
        row = f"({', '.join(['%s'] * len(columns))})"
        # PostgreSQL and SQLite spell it alike.
        suffix = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
        sql = (
            f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(columns)}) "  # noqa: S608 names of our own tables
            f"VALUES {', '.join([row] * count)}{suffix}"
        )
        _insert_statements[key] = sql
    return sql
