"""Writes whose SQL is generated once, as `voiceops/db/compiled_query.py` does it for reads.

Every live call writes through the same few statements many times a minute; for those, Django spends
more on the SQL than the database on the row.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql import UpdateQuery

from voiceops.db.compiled_query import Parameter, kept_cursor

# Of more rows in one statement, each length would be another statement to keep.
MAX_KEPT_ROWS = 16

_insert_statements: dict[tuple[type[models.Model], int, bool, str], str] = {}


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
        self._compiling = threading.Lock()

    def run(self, **values: Any) -> int:
        """Write with these values of the parameters; returns how many rows were changed.

        Raises TypeError when the values are not those of the parameters.
        """
        if values.keys() != self._parameters.keys():
            raise TypeError(f"The update needs values of {sorted(self._parameters)}")
        # Calls are read where they are written: there is one database.
        connection = connections["default"]
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

    def _statement(self, connection: BaseDatabaseWrapper) -> tuple[str, Sequence[Any]]:
        statement = self._statements.get(connection.vendor)
        if statement is None:
            with self._compiling:
                markers = {name: Parameter(name, kind) for name, kind in self._parameters.items()}
                rows, changes = self._build(**markers)
                query: Any = rows.query.chain(UpdateQuery)
                query.add_update_values(dict(changes))
                statement = query.get_compiler(using=connection.alias).as_sql()
                self._statements[connection.vendor] = statement
        return statement


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
    connection = connections["default"]
    fields = model._meta.concrete_fields
    values = [
        field.get_db_prep_save(field.pre_save(row, add=True), connection)
        for row in rows
        for field in fields
    ]
    with kept_cursor(connection, is_prepared=True) as cursor:
        cursor.execute(_insert_sql(model, len(rows), ignore_conflicts, connection), values)
        return int(cursor.rowcount)


def _insert_sql(
    model: type[models.Model], count: int, ignore_conflicts: bool, connection: BaseDatabaseWrapper
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
