from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.auth import second_factor
from accounts.auth.principal import Principal
from accounts.models import SecondFactor, User, canonical_email


class Command(BaseCommand):
    help = (
        "Takes away a staff member's second factor, for who has lost both the app and the recovery codes. The password "
        "alone opens the admin again, until a new one is set up."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="whose it is")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        user = User.objects.filter(email=canonical_email(email)).first()
        if user is None:
            raise CommandError(f"Nobody has the address {email}")
        factor = SecondFactor.objects.filter(user=user).first()
        if factor is None:
            raise CommandError(f"{user.email} has no second factor")
        second_factor.remove(factor=factor, principal=Principal())
        self.stdout.write(
            f"{user.email} logs in with the password alone until a new second factor is set up"
        )
