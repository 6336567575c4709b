"""`manage.py erase_person`: forget a person by phone number."""

import sys
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from accounts.management.workspaces import find_workspace
from accounts.models import Workspace
from ops.control.erasure import erase_person
from voiceops.core.errors import DomainError
from voiceops.core.phone_numbers import to_e164


class Command(BaseCommand):
    help = (
        "Erases a person by phone number from lists and rejected rows, calls, transcripts, "
        "recordings and webhooks. The number stays uncallable: only a keyed hash of it is kept. "
        "Can be repeated. Data kept by LiveKit, carriers, backups and receivers of webhooks is "
        "not reached."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", help="with its country code, for example +12025550186")
        parser.add_argument("--workspace", help="id or name of one workspace; default: all")

    def handle(self, *args: Any, number: str, workspace: str | None, **options: Any) -> None:
        try:
            phone = to_e164(number)
            if workspace:
                workspaces = [find_workspace(workspace)]
            else:
                workspaces = list(Workspace.unscoped.order_by("pk"))
            for each in workspaces:
                self.erase(each, phone)
        except DomainError as error:
            raise CommandError(str(error)) from error

    def erase(self, workspace: Workspace, phone: str) -> None:
        # None hides the bar only where standard error is not a terminal.
        bar = partial(tqdm, unit=" calls", disable=None, file=sys.stderr)
        erased = erase_person(workspace, phone, follow=bar)
        self.stdout.write(f"{workspace.name}: {erased}")
