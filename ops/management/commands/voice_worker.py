"""`manage.py voice_worker`: the agent that talks, in its own environment."""

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

PYTHON = settings.BASE_DIR / ".venv-worker" / "bin" / "python"


class Command(BaseCommand):
    help = "Runs the voice worker (python -m voice) in place of this process; `start` by default."
    # It needs neither database nor broker, which system checks look at.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("arguments", nargs="*", help="what follows `python -m voice`")

    def handle(self, *args: Any, **options: Any) -> None:
        if not PYTHON.exists():
            raise CommandError("The voice worker is not installed. Install it with: make worker")
        arguments = options["arguments"] or ["start"]
        os.chdir(settings.BASE_DIR)
        os.execv(PYTHON, [str(PYTHON), "-m", "voice", *arguments])  # noqa: S606  # our own program
