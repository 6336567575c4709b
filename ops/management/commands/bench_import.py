"""`manage.py bench_import`: how fast is a list imported?"""

import json
import os
import shutil
import subprocess
import sys
import time
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from batches.models import Batch, Recipient, RejectedRow
from ops.bench import importing
from ops.bench.rerun import is_rerun, rerun_isolated
from ops.bench.resource_usage import peak_megabytes
from voiceops.core.process_tuning import limit_arenas, tune_gc

IMPORT_LIST_NAME = "bench-list.csv"
MIN_RATIO_TO_BARE_COPY = 0.8
MAX_IMPORT_RSS_MB = 200
# The suppression list is kept in memory while a list is imported.
MAX_MB_PER_SUPPRESSION = 50 / 1_000_000


@dataclass(frozen=True)
class ImportRound:
    """Rows per second of the import and of a bare COPY; the latter is 0 without PostgreSQL."""

    import_rate: float
    copy_rate: float
    rss_mb: float


class Command(BaseCommand):
    help = (
        "Imports a million rows (validated, deduplicated, checked and stored, rejected rows with "
        "their reasons), and beside it a bare COPY of the same rows into the same table and a "
        "naive csv + bulk_create import, interleaved. Prints figures, and exits 1 when a promise "
        "is broken. Uses DATABASE_URL, else a PostgreSQL of its own; DATABASE_URL=sqlite:///… "
        "compares with the naive import only."
    )

    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rows", type=int, default=1_000_000)
        parser.add_argument(
            "--rounds", type=int, default=3, help="of import and bare COPY, one after the other"
        )
        parser.add_argument("--naive-rows", type=int, default=50_000)
        parser.add_argument(
            "--suppressions", type=int, default=0, help="numbers on the suppression list"
        )
        parser.add_argument(
            "--extras", action="store_true", help="a list with second numbers and time zones"
        )
        parser.add_argument("--part", choices=["import"], help="for the benchmark's own use")

    def handle(self, **options: Any) -> None:
        if options["part"] == "import":
            self.run_import_part()
        elif is_rerun():
            self.suppressions: int = options["suppressions"]
            self.has_extras: bool = options["extras"]
            self.measure(options["rows"], options["rounds"], options["naive_rows"])
        else:
            url = os.environ.get("DATABASE_URL", "")
            sys.exit(rerun_isolated({"DEBUG": "1"}, database_url=url))

    def run_import_part(self) -> None:
        """Import in a process of its own, whose memory is that of the import alone."""
        tune_gc()  # as every worker does
        limit_arenas()
        batch = Batch.unscoped.get()
        seconds = importing.measure_import(batch)
        print(json.dumps({"seconds": seconds, "rss": peak_megabytes()}))

    # --- measuring ---

    def measure(self, rows: int, rounds: int, naive_rows: int) -> None:
        """Print the figures. Raises CommandError in a database that is in use."""
        call_command("migrate", verbosity=0, interactive=False)
        if importing.is_database_in_use():
            raise CommandError(
                "The database has workspaces, and the benchmark would empty it: name another one"
            )
        source = importing.uploads_folder().parent / IMPORT_LIST_NAME
        importing.write_list(source, rows, has_extras=self.has_extras)
        megabytes = source.stat().st_size / 1e6
        self.stdout.write(f"{rows:,} rows, {megabytes:.0f} MB, {connection.vendor}")

        results = [self.measure_round(number, source, rows) for number in range(1, rounds + 1)]
        batch = importing.prepare_import("")
        naive_rate = naive_rows / importing.measure_naive_import(batch, source, naive_rows)
        self.stdout.write(
            f"  naive csv + bulk_create, {naive_rows:,} rows: {naive_rate:,.0f} rows/s"
        )
        importing.empty_database()
        self.report(results, naive_rate)

    def measure_round(self, number: int, source: Path, rows: int) -> ImportRound:
        """Import once and, on PostgreSQL, copy the result once."""
        seconds, rss_mb = self.run_import(source)
        import_rate = rows / seconds
        copy_rate = self.measure_copy() if connection.vendor == "postgresql" else 0.0
        beside = f"; bare COPY {copy_rate:,.0f} rows/s" if copy_rate else ""
        self.stdout.write(
            f"  round {number}: import {import_rate:,.0f} rows/s, {rss_mb:.0f} MB{beside}"
        )
        return ImportRound(import_rate, copy_rate, rss_mb)

    def run_import(self, source: Path) -> tuple[float, float]:
        """Seconds and megabytes of one import, which starts from an empty database."""
        upload = importing.uploads_folder() / IMPORT_LIST_NAME
        shutil.copyfile(source, upload)
        importing.prepare_import(upload.name, suppressions=self.suppressions)
        # While the child imports, this process must not hold a connection with locks or a snapshot.
        connection.close()
        done = subprocess.run(  # noqa: S603 ourselves
            [sys.executable, sys.argv[0], "bench_import", "--part", "import"],
            stdout=subprocess.PIPE,
            check=True,
        )
        measured = json.loads(done.stdout)
        stored = Recipient.unscoped.count()
        rejected = RejectedRow.unscoped.count()
        self.stdout.write(
            f"  stored {stored:,}, rejected {rejected:,}, in {measured['seconds']:.1f} s"
        )
        return measured["seconds"], measured["rss"]

    def measure_copy(self) -> float:
        """Rows per second of a bare COPY of the imported rows into the same table, emptied."""
        dump = importing.uploads_folder().parent / "rows.copy"
        importing.dump_rows(dump)
        stored = Recipient.unscoped.count()
        importing.clear_table(Recipient)
        time.sleep(1)  # the server finishes what emptying the table left to do
        return stored / importing.measure_bare_copy(dump)

    # --- reporting ---

    def report(self, rounds: list[ImportRound], naive_rate: float) -> None:
        """Print the figures, and exit 1 when a promise is broken."""
        rate = median(each.import_rate for each in rounds)
        rss_mb = max(each.rss_mb for each in rounds)
        self.stdout.write(f"figure import_rows_per_second {rate:.0f}")
        self.stdout.write(f"figure import_rss_mb {rss_mb:.0f}")
        self.stdout.write(f"figure import_naive_rows_per_second {naive_rate:.0f}")
        self.stdout.write(f"figure import_times_naive {rate / naive_rate:.1f}")
        broken = []
        max_rss_mb = MAX_IMPORT_RSS_MB + self.suppressions * MAX_MB_PER_SUPPRESSION
        if rss_mb > max_rss_mb:
            broken.append(f"the import took {rss_mb:.0f} MB of memory, not {max_rss_mb:.0f}")
        if connection.vendor == "postgresql":
            broken += self.report_copy(rounds, naive_rate)
        if broken:
            self.stderr.write("broken: " + "; ".join(broken))
            sys.exit(1)

    def report_copy(self, rounds: list[ImportRound], naive_rate: float) -> list[str]:
        """Print the ratios to the bare COPY; returns the broken promises."""
        ratio = median(each.import_rate / each.copy_rate for each in rounds)
        copy_rate = median(each.copy_rate for each in rounds)
        self.stdout.write(f"figure import_bare_copy_rows_per_second {copy_rate:.0f}")
        self.stdout.write(f"figure import_against_bare_copy {ratio:.2f}")
        self.stdout.write(f"figure import_naive_against_bare_copy {naive_rate / copy_rate:.2f}")
        if ratio >= MIN_RATIO_TO_BARE_COPY:
            return []
        return [f"the import reached {ratio:.2f} of a bare COPY, not {MIN_RATIO_TO_BARE_COPY}"]
