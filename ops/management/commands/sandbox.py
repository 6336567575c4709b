"""`manage.py sandbox`: try everything without an account and without cost."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sandbox.command import run
from sandbox.config import add_arguments


class Command(BaseCommand):
    help = "Runs a local server that speaks LiveKit's and Twilio's protocols, until Ctrl-C."
    # It needs neither database nor broker, which system checks look at.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        is_silent = options["verbosity"] == 0
        write = _discard if is_silent else self.stderr.write
        errors: list[str] = []
        if status := run(options, write=write, write_error=errors.append):
            raise CommandError("".join(errors).strip(), returncode=status)


def _discard(line: str) -> None:
    """A writer for --verbosity 0."""
