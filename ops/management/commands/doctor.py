"""`manage.py doctor`: is the installation ready?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ops.checking.doctor import repair_numbers, run_doctor
from ops.checking.findings import Verdict
from voiceops.core.errors import DomainError


class Command(BaseCommand):
    help = (
        "Checks database, broker, LiveKit, Twilio, recordings, webhook and secrets, and whether "
        "LiveKit has what our numbers need. Prints one line each, with the fix. "
        "Exits 1 when something is bad."
    )
    # The doctor reports failing system checks itself, beside its other findings.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--repair",
            action="store_true",
            help="first give LiveKit what our numbers need, and finish removals of numbers",
        )

    def handle(self, *, repair: bool, **options: Any) -> None:
        if repair:
            self.repair()
        problems = 0
        for finding in run_doctor():
            self.stdout.write(str(finding))
            self.stdout.flush()
            problems += finding.verdict is Verdict.BAD
        if problems:
            raise CommandError(f"{problems} problem{'s' if problems > 1 else ''} found")

    def repair(self) -> None:
        """Raises CommandError when LiveKit or Twilio refuse."""
        try:
            for number in repair_numbers():
                self.stdout.write(f"repaired  {number}")
        except DomainError as error:
            raise CommandError(f"The repair stopped: {error}") from error
