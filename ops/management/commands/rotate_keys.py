from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from ops.checking.key_rotation import encrypted_columns, outdated, rotate_column

SHOWN = 5


class Command(BaseCommand):
    help = (
        "Encrypts every stored secret again with the newest of FIELD_ENCRYPTION_KEYS, while everything runs. "
        "Can be stopped and started again; afterwards the older keys may be removed."
    )

    def handle(self, **options: Any) -> None:
        columns = encrypted_columns()
        try:
            total = sum(outdated(column).count() for column in columns)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        rotated, unreadable = 0, []
        with tqdm(
            total=total, unit=" secrets", disable=None if total else True, file=self.stderr
        ) as bar:
            for column in columns:
                for step in rotate_column(column):
                    rotated += step.rotated
                    unreadable += step.unreadable
                    bar.update(step.rotated + len(step.unreadable))
        self.stdout.write(
            f"{rotated} of {total} secrets encrypted again, in {len(columns)} columns"
        )
        if unreadable:
            for line in unreadable[:SHOWN]:
                self.stderr.write(line)
            raise CommandError(
                f"{len(unreadable)} secrets could not be read: their key is missing, keep the old keys"
            )
