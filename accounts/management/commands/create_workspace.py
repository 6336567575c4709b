from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from accounts.auth import api_keys
from accounts.models import User, canonical_email
from accounts.services import workspaces

PASSWORD_LENGTH = 20  # base62: 119 bits


class Command(BaseCommand):
    help = (
        "Creates a workspace and its admin. A new user gets a password, which is printed and "
        "cannot be printed again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the workspace's name")
        parser.add_argument(
            "--admin",
            required=True,
            metavar="EMAIL",
            help="the admin's e-mail address; the user is created if there is none",
        )

    def handle(self, *args: Any, name: str, admin: str, **options: Any) -> None:
        """Raises CommandError when an argument is not usable."""
        email = canonical_email(admin)
        if not 0 < len(name.strip()) <= 100:
            raise CommandError("The name must have 1 to 100 characters")
        try:
            validate_email(email)
        except ValidationError as error:
            raise CommandError(f"{admin!r} is not an e-mail address") from error

        password = None
        with transaction.atomic():
            user = User.objects.filter(email=email).first()
            if user is None:
                password = api_keys.random_text(PASSWORD_LENGTH)
                user = User.objects.create_user(
                    # Whoever runs commands here vouches for the address.
                    email,
                    password,
                    email_proven_at=timezone.now(),
                )
            workspace = workspaces.create_workspace(name=name.strip(), user=user)
        self.stdout.write(f"Workspace {workspace.name}: {workspace.pk}")
        self.stdout.write(f"Admin {email}" + (f", password: {password}" if password else ""))
