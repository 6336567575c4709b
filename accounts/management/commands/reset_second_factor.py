from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.auth import second_factor
from accounts.auth.principal import Principal
from accounts.models import SecondFactor, User, canonical_email


class Command(BaseCommand):
    help = (
        "Removes the second factor of a member of staff who has lost both the app and the "
        "recovery codes. The password alone opens the admin until they set up a new one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="the e-mail address of the member of staff")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        """Raises CommandError when an argument is not usable."""
        user = User.objects.filter(email=canonical_email(email)).first()
        if user is None:
            raise CommandError(f"No user has the address {email}")
        factor = SecondFactor.objects.filter(user=user).first()
        if factor is None:
            raise CommandError(f"{user.email} has no second factor")
        second_factor.remove(factor=factor, principal=Principal())
        self.stdout.write(
            f"{user.email} logs in with the password alone until a new second factor is set up"
        )
