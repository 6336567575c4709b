from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ops.serving.processes import local_url, running
from voiceops.core.errors import DomainError


class Command(BaseCommand):
    help = "Runs the web server, the worker and (unless LIVEKIT_URL names another) the sandbox, until Ctrl-C or SIGTERM."

    def handle(self, **options: Any) -> None:
        try:
            with running(tell=self.tell) as supervisor:
                if not supervisor.stopping:
                    self.tell(
                        f"Ready: {local_url()} (docs: {local_url()}/docs, logs: {settings.DATA_DIR / 'logs'})"
                    )
                    self.tell("Ctrl-C stops everything")
                supervisor.watch()
        except DomainError as error:
            raise CommandError(str(error)) from error

    def tell(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()
