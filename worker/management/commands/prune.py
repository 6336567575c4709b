"""`manage.py prune`: delete what has been kept long enough."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from voiceops.core.errors import ProviderError
from voiceops.core.terminal import progress_dots
from worker.periodic.retention import prune_all


class Command(BaseCommand):
    help = (
        "Deletes what has been kept long enough: recordings and transcripts past their workspace's "
        "retention, ended logins, unused invitations and password resets, idempotency keys, old "
        "webhooks. Workers do the same every hour."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete and print how many of each kind. Raises CommandError when recordings remain."""
        try:
            with progress_dots(sys.stderr, "Deleting"):
                deleted = dict(prune_all())
        except ProviderError as error:
            raise CommandError(f"Some recordings were not deleted: {error}") from error
        self.stdout.write(
            "Deleted " + ", ".join(f"{count} {kind}" for kind, count in deleted.items())
        )
