"""`manage.py serve`: everything on one machine."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from accounts.services.registration import first_user_token, has_users
from ops.serving.processes import local_url, running_services
from voiceops.core.errors import DomainError


class Command(BaseCommand):
    help = (
        "Runs the web server, the worker and, unless LIVEKIT_URL names another server, the "
        "sandbox, until Ctrl-C or SIGTERM."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--no-agent",
            action="store_true",
            help="let the sandbox play no agent: `make worker` talks on its calls, in text",
        )

    def handle(self, **options: Any) -> None:
        plays_agent = not options["no_agent"]
        try:
            with running_services(report=self.report, plays_agent=plays_agent) as supervisor:
                if not supervisor.stopping:
                    logs = settings.DATA_DIR / "logs"
                    self.report(f"Ready: {local_url()} (docs: {local_url()}/docs, logs: {logs})")
                    if not has_users():
                        page = f"{settings.PUBLIC_URL}{reverse('console:first-account')}"
                        self.report(f"Create the first account: {page}?token={first_user_token()}")
                    self.report("Ctrl-C stops everything")
                supervisor.watch()
        except DomainError as error:
            raise CommandError(str(error)) from error

    def report(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()
