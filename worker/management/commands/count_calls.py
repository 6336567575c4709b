"""`manage.py count_calls`: count calls by the hour, as the worker does, or all hours again."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from telephony.models import HourlyCalls
from telephony.services.hourly_counts import count_hours, recount_everything
from voiceops.core.terminal import progress_dots


class Command(BaseCommand):
    help = (
        "Counts the calls of hours that are over, for the figures of long spans. Workers do the "
        "same by themselves; with --again every hour is counted anew."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--again", action="store_true", help="count every hour anew")

    def handle(self, *args: Any, **options: Any) -> None:
        """Count until nothing is left, and print how many counts there are."""
        with progress_dots(sys.stderr, "Counting"):
            while count_hours():
                pass
            if options["again"]:
                for _ in recount_everything():
                    pass
        rows = HourlyCalls.unscoped.count()
        self.stdout.write(f"The calls of all hours that are over are counted, in {rows:,} rows")
