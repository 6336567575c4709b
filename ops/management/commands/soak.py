"""`manage.py soak`: a hostile workspace attacks, and its calm neighbour must feel nothing of it."""

import os
import sys
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ops.drill.parallel_runs import INSIDE_DRILL_VARIABLE, DrillRun, run_one
from ops.management.commands.drill import FOREIGN_SETTINGS
from ops.serving.processes import running_services
from ops.soak.calm import CALM_RATE, MAX_CALM_RECIPIENTS
from ops.soak.run import Soak
from voiceops.core.errors import DomainError

SECONDS_PER_MINUTE = 60
MAX_MINUTES = MAX_CALM_RECIPIENTS // (CALM_RATE * SECONDS_PER_MINUTE)


class Command(BaseCommand):
    help = (
        "Runs all processes, lets one workspace attack in every way that once worked, and judges "
        "what its calm neighbour felt: the time of its reads, the pace of its batch, its webhooks, "
        "and the memory of all processes. Uses a folder and ports of its own, and DATABASE_URL "
        "and CELERY_BROKER_URL if they are set; --servers starts a PostgreSQL and a Redis."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--minutes", type=float, default=10.0, help="of attacks")
        parser.add_argument(
            "--tries",
            type=int,
            default=1,
            help="so often at most, until one run keeps every promise: a machine that other "
            "programs use as well breaks them, too",
        )
        parser.add_argument(
            "--servers", action="store_true", help="use a PostgreSQL and a Redis of its own"
        )

    def handle(self, **options: Any) -> None:
        minutes: float = options["minutes"]
        if not 0 < minutes <= MAX_MINUTES:
            raise CommandError(f"--minutes goes up to {MAX_MINUTES:.0f}")
        if options["tries"] < 1:
            raise CommandError("--tries is at least 1")
        if os.environ.get(INSIDE_DRILL_VARIABLE) != "1":
            sys.exit(self.run_until_kept(options["tries"], has_servers=options["servers"]))
        try:
            self.run_soak(minutes * SECONDS_PER_MINUTE)
        except DomainError as error:
            raise CommandError(str(error)) from error

    def run_until_kept(self, tries: int, *, has_servers: bool) -> int:
        """Run at most so often, until every promise is kept; returns the last exit code."""
        exit_code = 1
        for number in range(1, tries + 1):
            exit_code = self.run_isolated(has_servers=has_servers)
            if exit_code == 0:
                break
            self.report(f"Try {number} of {tries} was broken")
        return exit_code

    def run_isolated(self, *, has_servers: bool) -> int:
        """Run this command again with a folder and ports of its own; returns the exit code."""
        for name in FOREIGN_SETTINGS:
            os.environ.pop(name, None)
        run = DrillRun("", sys.argv[2:], command="soak", needs_servers=has_servers)
        run_one(run, self.report)
        return run.exit_code

    def run_soak(self, seconds: float) -> None:
        """Raises CommandError when a promise is broken."""
        with running_services(report=self.report) as supervisor:
            soak = Soak(supervisor, seconds, self.report)
            # Processes are restarted from the main thread only, so the soak has another.
            threading.Thread(target=soak.run, name="soak", daemon=True).start()
            supervisor.watch(until=lambda: soak.is_over)
        for judgement in soak.judgements:
            self.report(str(judgement))
        if not soak.judgements:
            raise CommandError(soak.failure or "Interrupted")
        if not all(judgement.is_kept for judgement in soak.judgements):
            raise CommandError("A promise is broken.")

    def report(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()
