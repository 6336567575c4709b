import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.auth.principal import Principal
from accounts.models import Workspace
from accounts.roles import Role
from accounts.services import api_keys


class Command(BaseCommand):
    help = "Makes an API key and prints it, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--workspace", required=True, help="its id, or its name where only one is called so"
        )
        parser.add_argument("--name", required=True, help="what the key is for")
        parser.add_argument("--role", required=True, choices=[str(role.label) for role in Role])

    def handle(self, *args: Any, workspace: str, name: str, role: str, **options: Any) -> None:
        if not 0 < len(name.strip()) <= 100:
            raise CommandError("The name must have 1 to 100 characters")
        owner = find_workspace(workspace)
        principal = Principal(workspace=owner)
        _, key = api_keys.create_api_key(
            workspace=owner, name=name.strip(), role=Role.from_label(role), principal=principal
        )
        self.stdout.write(key)


def find_workspace(wanted: str) -> Workspace:
    """By id or by name. Raises CommandError, with what to do."""
    try:
        found = list(Workspace.unscoped.filter(pk=uuid.UUID(wanted)))
    except ValueError:
        found = list(Workspace.unscoped.filter(name=wanted)[:2])
    if not found:
        raise CommandError(f"No workspace {wanted!r}; make one with create_workspace")
    if len(found) > 1:
        raise CommandError(f"Several workspaces are called {wanted!r}; give the id instead")
    return found[0]
