from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ops.checking import doctor
from telephony.models import PhoneNumber
from telephony.services import drift
from telephony.services.numbers import clean_provisioning
from voiceops.core.errors import DomainError


class Command(BaseCommand):
    help = (
        "Is it ready? Looks at database, broker, LiveKit, Twilio, recordings, webhook, secrets, and at differences "
        "between our numbers and LiveKit: one line each, with the mend. Exits 1 when something is bad."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--repair",
            action="store_true",
            help="first make LiveKit have what our numbers say, and finish removals",
        )

    def handle(self, *, repair: bool, **options: Any) -> None:
        if repair:
            self.repair()
        troubles = 0
        for finding in doctor.check_all():
            self.stdout.write(str(finding))
            self.stdout.flush()
            troubles += finding.verdict is doctor.Verdict.BAD
        if troubles:
            raise CommandError(f"{troubles} thing{'s' if troubles > 1 else ''} to mend")

    def repair(self) -> None:
        try:
            clean_provisioning()
            drifted, _ = drift.check_everything()
            for number in [each.row for each in drifted if isinstance(each.row, PhoneNumber)]:
                drift.repair_number(number=number)
                self.stdout.write(f"repaired  {number}")
        except DomainError as error:
            raise CommandError(f"Nothing more could be repaired: {error}") from error
