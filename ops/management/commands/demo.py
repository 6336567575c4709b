"""`manage.py demo`: serve, and call a sample list through the sandbox."""

import sys
from argparse import ArgumentParser
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from batches.importing.phones import is_known_country
from ops.demo import workspace
from ops.demo.batch_run import RunRequest, RunResult, run_batch
from ops.demo.outcomes import outcome_table
from ops.serving.processes import local_url, running_services
from ops.serving.supervisor import Supervisor
from voiceops.core.errors import DomainError
from voiceops.core.terminal import check_readable

SAMPLE_LIST = settings.BASE_DIR / "ops" / "data" / "sample.csv"
STALL_SECONDS = 300.0


class Command(BaseCommand):
    help = (
        "Serves like `serve`, calls every recipient on a list through the sandbox with a progress "
        "bar, and prints a table of the outcomes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file",
            nargs="?",
            type=Path,
            default=SAMPLE_LIST,
            help="CSV or XLSX; default: a list of 100 fictitious numbers",
        )
        parser.add_argument(
            "--country", type=str.upper, help="two letters, for numbers in national format"
        )
        parser.add_argument("--once", action="store_true", help="end after the batch")

    def handle(self, *, file: Path, country: str | None, once: bool, **options: Any) -> None:
        self.check_request(country)
        # A call in doubt may take the whole dial fence to be resolved.
        stall_seconds = settings.DIAL_FENCE_SECONDS + STALL_SECONDS if once else None
        request = RunRequest(local_url(), settings.DATA_DIR, file, country, stall_seconds)
        try:
            check_readable(file)
            with running_services(report=self.report) as supervisor:
                self.run(supervisor, request, once=once)
        except DomainError as error:
            raise CommandError(str(error)) from error
        except requests.RequestException as error:
            raise CommandError(f"The web server stopped responding: {error}") from error

    def check_request(self, country: str | None) -> None:
        """Raises CommandError before anything is started."""
        if not settings.USES_SANDBOX:
            raise CommandError(
                "The demo calls fictitious numbers in the sandbox, but LIVEKIT_URL names another "
                "server. Use serve."
            )
        if country and not is_known_country(country):
            raise CommandError(
                f"Unknown country code {country}. Use two letters, for example COUNTRY=US"
            )

    def run(self, supervisor: Supervisor, request: RunRequest, *, once: bool) -> None:
        """Run the batch in a thread, because processes are restarted from the main thread only
        (`ops/serving/die_with_parent.py`). Raises what the run raises, and CommandError when the
        batch has not ended or recipients have no result.
        """
        run = None if supervisor.stopping else self.start_run(supervisor, request)
        if run is not None:
            supervisor.watch(until=run.done)
        if run is None or supervisor.stopping:
            if once:
                raise CommandError("Stopped before the batch had ended")
            return
        result = run.result()
        self.print_result(result, request)
        if not once:
            self.report("Ctrl-C stops everything")
            supervisor.watch()
        elif result.open_recipients:
            raise CommandError(f"{result.open_recipients} recipients were left without a result")

    def start_run(self, supervisor: Supervisor, request: RunRequest) -> Future[RunResult]:
        self.report(f"Calling the recipients in {request.file} through the sandbox")
        pool = ThreadPoolExecutor(max_workers=1)
        run = pool.submit(
            run_batch, request, out=sys.stdout, is_stopping=lambda: supervisor.stopping
        )
        # Leaving the pool's block instead would wait here, and nothing would watch the services.
        pool.shutdown(wait=False)
        return run

    def print_result(self, result: RunResult, request: RunRequest) -> None:
        counts = result.batch["counts"]
        self.report(f"\nThe batch is {result.batch['status']}:\n")
        self.report(outcome_table(result.rows, rejected=counts["rejected"]))
        if counts["review"]:
            self.report(
                f"\n{counts['review']} in review: nothing proves whether their phone rang, "
                "so they are not called again automatically."
            )
        email, password = workspace.credentials(request.data_dir / "demo.json")
        self.report(
            f"""
  results       {result.results_file}
  console       {request.url}/
  API docs      {request.url}/docs
  admin         {request.url}/admin/
  log in as     {email} with {password}
  dials         {settings.LIVEKIT_URL}/_sandbox/dials
  logs          {request.data_dir / "logs"}
"""
        )

    def report(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()
