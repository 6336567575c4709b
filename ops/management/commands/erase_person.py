import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from accounts.management.workspaces import find_workspace
from accounts.models import Workspace
from batches.services.erasure import erase_recipients
from telephony.services.erasure import erase_calls
from voiceops.core.errors import DomainError
from voiceops.core.phone_numbers import to_e164
from webhooks.delivery import erase_events


class Command(BaseCommand):
    help = (
        "Erases a person by phone number: from lists and refused rows, calls, transcripts, recordings and webhooks. "
        "The number stays uncallable, known by a keyed hash only. Can be repeated; what LiveKit, carriers, backups and "
        "receivers of webhooks keep is theirs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", help="with its country code: +12025550186")
        parser.add_argument("--workspace", help="its id or name; every workspace when not given")

    def handle(self, *args: Any, number: str, workspace: str | None, **options: Any) -> None:
        try:
            phone = to_e164(number)
            owners = (
                [find_workspace(workspace)]
                if workspace
                else list(Workspace.unscoped.order_by("pk"))
            )
            for owner in owners:
                self.erase(owner, phone)
        except DomainError as error:
            raise CommandError(str(error)) from error

    def erase(self, owner: Workspace, phone: str) -> None:
        rows = erase_recipients(owner, phone)
        bar = tqdm(erase_calls(owner, phone), unit=" calls", disable=None, file=sys.stderr)
        calls = [str(call.pk) for call in bar]
        events = erase_events(owner, [phone, *calls])
        self.stdout.write(
            f"{owner.name}: {rows} rows of lists, {len(calls)} calls, {events} webhook events"
        )
