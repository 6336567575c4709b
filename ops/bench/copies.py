"""Rows by the million, as PostgreSQL makes them by itself: an ORM takes minutes."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, models


def copy_row(
    template: models.Model, of_each: Mapping[str, str], *, beside: str, params: Sequence[Any] = ()
) -> None:
    """A copy of the stored `template` for each row of `beside` (SQL, with an alias and perhaps a
    WHERE of its own).

    `of_each` has the columns in which the copies differ, as SQL over `beside`; `params` are those
    of `beside`.
    """
    columns = [str(field.column) for field in template._meta.concrete_fields]
    values = ", ".join(of_each.get(column, f't."{column}"') for column in columns)
    quoted, table = ", ".join(f'"{column}"' for column in columns), template._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{table}" ({quoted}) '  # noqa: S608 - our own names, no input
            f'SELECT {values} FROM (SELECT * FROM "{table}" WHERE id = %s) t CROSS JOIN {beside}',
            [template.pk, *params],
        )
