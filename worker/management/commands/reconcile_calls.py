import sys
from typing import Any

from django.core.management.base import BaseCommand

from batches.dialing import settlement
from batches.models import Recipient
from telephony.dialing.reconciliation import RECONCILE_CHUNK_ROWS
from telephony.services import maintenance
from voiceops.core.terminal import progress_dots


class Command(BaseCommand):
    help = (
        "Looks once into every call whose end is in doubt or that has gone silent, asks LiveKit and takes note of what "
        "ended. Workers do the same every SWEEP_SECONDS; running both at once is safe. Nobody is ever dialled by it."
    )

    def handle(self, **options: Any) -> None:
        with progress_dots(sys.stderr, "Looking into calls"):
            looked_at = maintenance.follow_calls()
            settled = 0
            while chunk := settlement.settle_calls().calls:
                settled += chunk
            settlement.complete_all()
        review = Recipient.unscoped.filter(status=Recipient.Status.REVIEW).count()
        more = " (there may be more: run it again)" if looked_at >= RECONCILE_CHUNK_ROWS else ""
        self.stdout.write(
            f"{looked_at} calls looked at{more}, {settled} settled, {review} people in review"
        )
