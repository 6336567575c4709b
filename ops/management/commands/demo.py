import sys
from argparse import ArgumentParser
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from batches.importing.phones import is_known_country
from ops.demo import workspace
from ops.demo.outcomes import table
from ops.demo.rehearsal import Order, Result, rehearse
from ops.serving.processes import local_url, running
from ops.serving.supervisor import Supervisor
from voiceops.core.errors import DomainError
from voiceops.core.terminal import check_readable

SAMPLE = settings.BASE_DIR / "ops" / "data" / "sample.csv"
STALL_SECONDS = 300.0


class Command(BaseCommand):
    help = "Serves like `serve`, and calls everybody on a list through the sandbox, with a progress bar and the outcomes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file",
            nargs="?",
            type=Path,
            default=SAMPLE,
            help="CSV or XLSX; default: 100 made-up people",
        )
        parser.add_argument(
            "--country", type=str.upper, help="two letters, for numbers in national spelling"
        )
        parser.add_argument("--once", action="store_true", help="end after the batch")

    def handle(self, *, file: Path, country: str | None, once: bool, **options: Any) -> None:
        if not settings.USES_SANDBOX:
            raise CommandError(
                "The demo calls made-up people in the sandbox, but LIVEKIT_URL names another server. Use serve."
            )
        if country and not is_known_country(country):
            raise CommandError(f"{country} is no country: give two letters, as COUNTRY=US")
        stall = settings.DIAL_FENCE_SECONDS + STALL_SECONDS if once else None
        order = Order(local_url(), settings.DATA_DIR, file, country, stall)
        try:
            check_readable(file)
            with running(tell=self.tell) as supervisor:
                self.run(supervisor, order, once=once)
        except DomainError as error:
            raise CommandError(str(error)) from error
        except requests.RequestException as error:
            raise CommandError(f"The web server went away: {error}") from error

    def run(self, supervisor: Supervisor, order: Order, *, once: bool) -> None:
        """The rehearsal has a thread of its own: processes may be started from the main thread
        only.
        """
        if not supervisor.stopping:
            self.tell(f"Calling the people of {order.file} through the sandbox")
            pool = ThreadPoolExecutor(max_workers=1)
            rehearsal = pool.submit(
                rehearse, order, out=sys.stdout, is_over=lambda: supervisor.stopping
            )
            pool.shutdown(wait=False)
            supervisor.watch(until=rehearsal.done)
        if supervisor.stopping and once:
            raise CommandError("Stopped before the batch had ended")
        if supervisor.stopping:
            return
        result = rehearsal.result()
        self.report(result, order)
        if not once:
            self.tell("Ctrl-C stops everything")
            supervisor.watch()
        elif result.still_open:
            raise CommandError(f"{result.still_open} people were left neither called nor given up")

    def report(self, result: Result, order: Order) -> None:
        counts = result.batch["counts"]
        self.tell(f"\nThe batch is {result.batch['status']}:\n")
        self.tell(table(result.rows, rejected=counts["rejected"]))
        if counts["review"]:
            self.tell(
                f"\n{counts['review']} in review: nobody can prove whether the phone rang, so nobody is called twice."
            )
        email, password = workspace.credentials(order.data_dir / "demo.json")
        self.tell(
            f"""
  results       {result.results}
  API docs      {order.url}/docs
  admin         {order.url}/admin/
  log in as     {email} with {password}
  dials         {settings.LIVEKIT_URL}/_sandbox/dials
  logs          {order.data_dir / "logs"}
"""
        )

    def tell(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()
