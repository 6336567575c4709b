"""`manage.py reconcile_calls`: check and settle calls once."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from batches.models import Recipient
from batches.services import maintenance as batches
from telephony.dialing.reconciliation import RECONCILE_CHUNK_ROWS
from telephony.services import maintenance as telephony
from voiceops.core.terminal import progress_dots


class Command(BaseCommand):
    help = (
        "Checks every call whose end is in doubt or that has gone silent with LiveKit, and settles "
        "the calls that have ended. Workers do the same every SWEEP_SECONDS; running both at once "
        "is safe. It never dials anyone."
    )

    def handle(self, **options: Any) -> None:
        """Check and settle calls once; print how many."""
        with progress_dots(sys.stderr, "Checking calls"):
            checked = telephony.follow_calls()
            settled = batches.settle_all_calls()

        review = Recipient.unscoped.filter(status=Recipient.Status.REVIEW).count()
        more = " (there may be more: run it again)" if checked >= RECONCILE_CHUNK_ROWS else ""
        self.stdout.write(
            f"{checked} calls checked{more}, {settled} settled, {review} recipients in review"
        )
