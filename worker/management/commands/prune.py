import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from voiceops.core.errors import ProviderError
from voiceops.core.terminal import progress_dots
from worker.periodic.retention import clean_up


class Command(BaseCommand):
    help = (
        "Deletes what has been kept long enough: recordings and transcripts past their workspace's retention, "
        "ended logins, unused invitations and password resets, idempotency keys, old webhooks. Workers do the same "
        "every hour."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with progress_dots(sys.stderr, "Deleting"):
                deleted = dict(clean_up())
        except ProviderError as error:
            raise CommandError(f"Recordings remain to be deleted: {error}") from error
        self.stdout.write(
            "Deleted " + ", ".join(f"{count} {kind}" for kind, count in deleted.items())
        )
