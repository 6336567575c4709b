"""`manage.py bench_results`: how fast, and with how much memory, are results written?"""

import json
import subprocess
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from batches.models import Batch
from ops.bench import importing
from ops.bench.rerun import is_rerun, rerun_isolated
from ops.bench.results import WRITERS, WriteMeasurement, complete_recipients, write_results
from ops.new_secrets import new_secrets

RESULTS_LIST_NAME = "bench-list.csv"
# From a tenth of the rows to their end: memory must not depend on the size of the batch.
MAX_GROWTH_MB = 10
# With DEBUG=1 Django keeps every query, which would be measured too.
SERVED_SETTINGS = {
    "DEBUG": "0",
    "ALLOWED_HOSTS": "localhost",
    "PUBLIC_URL": "https://localhost",
}


class Command(BaseCommand):
    help = (
        "Writes the results of a batch of a million recipients, all of them called, as "
        "results.csv and results.xlsx. Prints rows per second and memory, and exits 1 when memory "
        "grows with the rows. Uses a PostgreSQL of its own."
    )

    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rows", type=int, default=1_000_000)
        parser.add_argument("--part", choices=[*WRITERS], help="for the benchmark's own use")

    def handle(self, **options: Any) -> None:
        if options["part"]:
            print(json.dumps(asdict(write_results(Batch.unscoped.get(), options["part"]))))
        elif is_rerun():
            self.measure(options["rows"])
        else:
            sys.exit(rerun_isolated({**new_secrets(), **SERVED_SETTINGS}))

    def measure(self, rows: int) -> None:
        """Print the figures. Raises CommandError when memory grows with the rows."""
        call_command("migrate", verbosity=0, interactive=False)
        importing.write_list(importing.uploads_folder() / RESULTS_LIST_NAME, rows)
        batch = importing.prepare_import(RESULTS_LIST_NAME)
        self.stdout.write(f"{rows:,} rows are imported, and every recipient is called")
        importing.measure_import(batch)
        complete_recipients(batch)
        written = {kind: self.measure_writer(kind) for kind in WRITERS}
        for kind, each in written.items():
            rate = each.rows / each.seconds
            self.stdout.write(f"figure results_{kind}_rows_per_second {rate:.0f}")
            self.stdout.write(f"figure results_{kind}_rss_mb {each.megabytes:.0f}")
            self.stdout.write(f"figure results_{kind}_grown_mb {each.grown:.1f}")
        if grown := [kind for kind, each in written.items() if each.grown > MAX_GROWTH_MB]:
            raise CommandError(
                f"memory grew with the rows by more than {MAX_GROWTH_MB} MB: {', '.join(grown)}"
            )

    def measure_writer(self, kind: str) -> WriteMeasurement:
        """Write one file in a process of its own, whose memory is that of the writer alone."""
        command = [sys.executable, sys.argv[0], "bench_results", "--part", kind]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603 ourselves
        measured = WriteMeasurement(**json.loads(done.stdout))
        self.stdout.write(
            f"  results.{kind}: {measured.rows:,} rows, {measured.size:.0f} MB "
            f"in {measured.seconds:.1f} s, the first bytes after "
            f"{measured.first_seconds * 1000:.0f} ms, {measured.megabytes:.0f} MB of memory"
        )
        return measured
