"""`manage.py serve`: everything on one machine."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from accounts.services.registration import first_user_token, has_users
from ops.serving.processes import local_url, running_services
from voiceops.core.errors import DomainError


class Command(BaseCommand):
    help = (
        "Runs the web server, the worker and, unless LIVEKIT_URL names another server, the "
        "sandbox, until Ctrl-C or SIGTERM."
    )

    def handle(self, **options: Any) -> None:
        try:
            with running_services(report=self.report) as supervisor:
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
