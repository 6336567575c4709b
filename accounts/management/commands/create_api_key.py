from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.auth.principal import Principal
from accounts.management.workspaces import find_workspace
from accounts.roles import Role
from accounts.services import api_keys


class Command(BaseCommand):
    help = "Creates an API key and prints it. It cannot be printed again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--workspace", required=True, help="the workspace's id, or its name if that is unique"
        )
        parser.add_argument("--name", required=True, help="what the key is for")
        parser.add_argument("--role", required=True, choices=[str(role.label) for role in Role])

    def handle(self, *args: Any, workspace: str, name: str, role: str, **options: Any) -> None:
        """Raises CommandError when an argument is not usable."""
        if not 0 < len(name.strip()) <= 100:
            raise CommandError("The name must have 1 to 100 characters")
        owner = find_workspace(workspace)
        _, key = api_keys.create_api_key(
            workspace=owner,
            name=name.strip(),
            role=Role.from_label(role),
            principal=Principal(workspace=owner),
        )
        self.stdout.write(key)
