"""`manage.py count_recipients`: add their counts up, as the worker does, or count them anew."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from batches.models import RecipientCount
from batches.services.recipient_counts import fold_counts, recount_everything
from voiceops.core.terminal import progress_dots


class Command(BaseCommand):
    help = (
        "Adds up the counts of each batch's recipients. Workers do the same by themselves; with "
        "--again every recipient is counted anew."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--again", action="store_true", help="count every recipient anew")

    def handle(self, *args: Any, **options: Any) -> None:
        """Count until nothing is left, and print how many counts there are."""
        with progress_dots(sys.stderr, "Counting"):
            while fold_counts():
                pass
            if options["again"]:
                for _ in recount_everything():
                    pass
        rows = RecipientCount.unscoped.count()
        self.stdout.write(f"The recipients of all batches are counted, in {rows:,} rows")
