"""`manage.py sandbox`: rehearse without an account and without cost."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sandbox.command import run
from sandbox.config import add_arguments


class Command(BaseCommand):
    help = "Runs a local server that speaks LiveKit's and Twilio's protocols, until Ctrl-C."
    requires_system_checks = []  # it needs no database

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        write = (lambda line: None) if options["verbosity"] == 0 else self.stderr.write
        errors: list[str] = []
        if status := run(options, write=write, write_error=errors.append):
            raise CommandError("".join(errors).strip(), returncode=status)
