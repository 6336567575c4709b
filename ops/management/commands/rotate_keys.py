"""`manage.py rotate_keys`: re-encrypt stored secrets with the newest key."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from ops.checking.key_rotation import Column, encrypted_columns, outdated_rows, rotate_column

MAX_LISTED_UNREADABLE = 5


class Command(BaseCommand):
    help = (
        "Re-encrypts every stored secret with the newest of FIELD_ENCRYPTION_KEYS, while "
        "everything runs. Can be interrupted and started again; "
        "afterwards the older keys may be removed."
    )

    def handle(self, **options: Any) -> None:
        columns = encrypted_columns()
        try:
            total = sum(outdated_rows(column).count() for column in columns)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error

        rotated, unreadable = self.rotate(columns, total)
        self.stdout.write(f"{rotated} of {total} secrets re-encrypted, in {len(columns)} columns")
        if unreadable:
            for line in unreadable[:MAX_LISTED_UNREADABLE]:
                self.stderr.write(line)
            raise CommandError(
                f"{len(unreadable)} secrets could not be decrypted because their key is missing; "
                "keep the old keys"
            )

    def rotate(self, columns: Sequence[Column], total: int) -> tuple[int, list[str]]:
        """How many secrets were re-encrypted, and which could not be decrypted, in words."""
        rotated = 0
        unreadable: list[str] = []
        # None hides the bar only where standard error is not a terminal.
        hidden = None if total else True
        with tqdm(total=total, unit=" secrets", disable=hidden, file=self.stderr) as bar:
            for column in columns:
                for chunk in rotate_column(column):
                    rotated += chunk.rotated
                    unreadable += chunk.unreadable
                    bar.update(chunk.rotated + len(chunk.unreadable))
        return rotated, unreadable
