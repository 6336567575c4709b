from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from telephony.services.inbox import prune_inbox
from telephony.services.recordings import prune_recordings
from voiceops.errors import ProviderError

KEPT = timedelta(days=7)  # evidence, should a call be asked about; LiveKit repeats nothing after minutes


class Command(BaseCommand):
    help = "Deletes what has been kept long enough: recordings past their workspace's retention, webhooks long applied."

    def handle(self, *args: Any, **options: Any) -> None:
        webhooks = prune_inbox(older_than=KEPT)
        try:
            recordings = prune_recordings()
        except ProviderError as error:
            raise CommandError(f"Recordings remain to be deleted: {error}") from error
        self.stdout.write(f"Deleted {recordings} recordings and {webhooks} webhooks")
