"""Finds every encrypted column of the installation, and re-encrypts it with the newest key.

A column counts as encrypted when its `help_text` begins with "encrypted", which our models keep to.
The context that each token is bound to consists of table, column and primary key
(`voiceops/core/crypto.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models, transaction

from voiceops.core import crypto

ENCRYPTED_PREFIX = "encrypted"
# Encrypted too, although the help_text does not begin with the prefix.
OTHER_ENCRYPTED_COLUMNS = {("accounts_idempotentrequest", "answer")}
ROTATION_CHUNK_ROWS = 500  # in one transaction


@dataclass(frozen=True)
class Column:
    model: type[models.Model]
    name: str

    def __str__(self) -> str:
        return f"{self.model._meta.db_table}.{self.name}"

    def context(self, pk: object) -> str:
        return crypto.context_of(self.model._meta.db_table, self.name, pk)


@dataclass(frozen=True)
class RotatedChunk:
    """How many rows of a chunk were re-encrypted, and which could not be decrypted, in words."""

    rotated: int
    unreadable: list[str]


def encrypted_columns() -> list[Column]:
    """The encrypted columns of all installed apps."""
    return [
        Column(model, field.name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if _is_encrypted(model, field.name, str(field.help_text))
    ]


def _is_encrypted(model: type[models.Model], name: str, help_text: str) -> bool:
    is_listed = (model._meta.db_table, name) in OTHER_ENCRYPTED_COLUMNS
    return is_listed or help_text.startswith(ENCRYPTED_PREFIX)


def outdated_rows(column: Column) -> models.QuerySet[Any]:
    """Rows whose secret was encrypted with another key than the newest.

    Raises ImproperlyConfigured when FIELD_ENCRYPTION_KEYS holds no valid key.
    """
    # Tokens begin with their key's id, so the database can find outdated rows without decrypting.
    rows = column.model._default_manager.exclude(**{column.name: ""}).exclude(**{column.name: None})
    return rows.exclude(**{f"{column.name}__startswith": f"{crypto.newest_key_id()}."})


def rotate_column(column: Column) -> Iterator[RotatedChunk]:
    """Re-encrypt a column chunk by chunk, while everything runs.

    An interrupted rotation continues where it stopped, because finished rows are no longer
    outdated.
    """
    last: Any = None
    while True:
        waiting = outdated_rows(column).order_by("pk")
        # Unreadable rows stay outdated: without this bound they would be read again for ever.
        rest = waiting.filter(pk__gt=last) if last else waiting
        chunk = list(rest.values_list("pk", flat=True)[:ROTATION_CHUNK_ROWS])
        if not chunk:
            return
        last = chunk[-1]
        yield rotate_rows(column, chunk)


def rotate_rows(column: Column, keys: list[Any]) -> RotatedChunk:
    """Re-encrypt the rows with these primary keys in one transaction.

    The rows are locked and read again, so that a secret changed meanwhile is never overwritten.
    """
    unreadable = []
    rotated = []
    with transaction.atomic():
        # Filtered again under the lock: a row saved in the meantime already has the new key.
        rows = outdated_rows(column).filter(pk__in=keys).select_for_update(of=("self",))
        for row in rows.only("pk", column.name):
            try:
                _rotate_row(column, row)
            except crypto.DecryptError as error:
                unreadable.append(f"{column} of {row.pk}: {error}")
            else:
                rotated.append(row)
        column.model._default_manager.bulk_update(rotated, [column.name])
    return RotatedChunk(len(rotated), unreadable)


def _rotate_row(column: Column, row: models.Model) -> None:
    """Re-encrypt the secret of a row in memory. Raises DecryptError."""
    context = column.context(row.pk)
    secret = crypto.decrypt(getattr(row, column.name), context)
    setattr(row, column.name, crypto.encrypt(secret, context))
