"""Every encrypted column of the installation, and re-encrypting it with the newest key.

A column is encrypted when its `help_text` begins so, which is what our models say of such columns;
the context of each token is made of table, column and primary key (voiceops.crypto).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models, transaction

from voiceops.core import crypto

MARK = "encrypted"
UNMARKED = {
    ("accounts_idempotentrequest", "answer")
}  # encrypted too, though its help_text does not say so
CHUNK = 500  # rows in a transaction


@dataclass(frozen=True)
class Column:
    model: type[models.Model]
    name: str

    def __str__(self) -> str:
        return f"{self.model._meta.db_table}.{self.name}"

    def context(self, pk: object) -> str:
        return crypto.context_of(self.model._meta.db_table, self.name, pk)


@dataclass(frozen=True)
class Step:
    """A chunk that was done: how many rows were re-encrypted, and which could not be decrypted."""

    rotated: int
    unreadable: list[str]


def encrypted_columns() -> list[Column]:
    """In every app, found by what the columns say of themselves."""
    return [
        Column(model, field.name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if str(field.help_text).startswith(MARK) or (model._meta.db_table, field.name) in UNMARKED
    ]


def outdated(column: Column) -> models.QuerySet[Any]:
    """Rows whose secret another key than the newest encrypted. Raises ImproperlyConfigured for keys
    that are none.
    """
    newest = crypto.encrypt("", "").partition(".")[0]
    rows = column.model._default_manager.exclude(**{column.name: ""}).exclude(**{column.name: None})
    return rows.exclude(**{f"{column.name}__startswith": f"{newest}."})


def rotate_column(column: Column) -> Iterator[Step]:
    """Re-encrypt chunk after chunk, while everything runs. Started again it goes on where it was."""
    last: Any = None
    while True:
        waiting = outdated(column).order_by("pk")
        chunk = list(
            (waiting.filter(pk__gt=last) if last else waiting).values_list("pk", flat=True)[:CHUNK]
        )
        if not chunk:
            return
        last = chunk[-1]
        yield rotate_rows(column, chunk)


def rotate_rows(column: Column, keys: list[Any]) -> Step:
    """Re-encrypt what stands in these rows now, under their locks: whoever changes a secret waits,
    or was first.
    """
    unreadable = []
    rotated = []
    with transaction.atomic():
        for row in (
            outdated(column)
            .filter(pk__in=keys)
            .select_for_update(of=("self",))
            .only("pk", column.name)
        ):
            try:
                text = crypto.decrypt(getattr(row, column.name), column.context(row.pk))
            except crypto.DecryptError as error:
                unreadable.append(f"{column} of {row.pk}: {error}")
                continue
            setattr(row, column.name, crypto.encrypt(text, column.context(row.pk)))
            rotated.append(row)
        column.model._default_manager.bulk_update(rotated, [column.name])
    return Step(len(rotated), unreadable)
