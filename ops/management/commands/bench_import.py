import json
import os
import shutil
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from statistics import median
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from batches.models import Batch, Recipient, RejectedRow
from ops.bench import importing
from ops.bench.cluster import again, is_inside
from ops.bench.meter import peak_megabytes
from voiceops.core.process_tuning import tune_gc

LIST = "bench-list.csv"
MIN_RATIO = 0.8
MAX_RSS_MB = 200


class Command(BaseCommand):
    help = (
        "Imports a million rows (validated, deduplicated, checked, stored, refused rows with their reasons) beside a "
        "bare COPY of the same rows into the same table and a naive csv + bulk_create import, interleaved. Prints "
        "figures, and exits 1 when a promise is broken. Uses DATABASE_URL, else a PostgreSQL of its own; "
        "DATABASE_URL=sqlite:///… compares with the naive import alone."
    )

    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rows", type=int, default=1_000_000)
        parser.add_argument(
            "--rounds", type=int, default=3, help="of import and bare COPY, one after the other"
        )
        parser.add_argument("--naive-rows", type=int, default=50_000)
        parser.add_argument("--part", choices=["import"], help="for the benchmark's own use")

    def handle(self, **options: Any) -> None:
        if options["part"] == "import":
            self.part_import()
        elif is_inside():
            self.measure(options["rows"], options["rounds"], options["naive_rows"])
        else:
            sys.exit(self.with_a_database())

    def with_a_database(self) -> int:
        return again({"DEBUG": "1"}, given=os.environ.get("DATABASE_URL", ""))

    def part_import(self) -> None:
        """The import in a process of its own, so that its memory is its own."""
        tune_gc()  # as every worker does
        batch = Batch.unscoped.get()
        seconds = importing.import_list(batch)
        print(json.dumps({"seconds": seconds, "rss": peak_megabytes()}))

    def measure(self, rows: int, rounds: int, naive_rows: int) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        if importing.holds_real_work():
            raise CommandError(
                "The database has workspaces in it, and the benchmark would empty it: give another one"
            )
        source = importing.uploads().parent / LIST
        importing.write_list(source, rows)
        self.stdout.write(
            f"{rows:,} rows, {source.stat().st_size / 1e6:.0f} MB, {connection.vendor}"
        )
        ours, bare, rss = [], [], []
        for number in range(1, rounds + 1):
            seconds, megabytes = self.import_once(source)
            ours.append(rows / seconds)
            rss.append(megabytes)
            bare.append(self.copy_once() if connection.vendor == "postgresql" else 0.0)
            beside = f"; bare COPY {bare[-1]:,.0f} rows/s" if bare[-1] else ""
            self.stdout.write(
                f"  round {number}: import {ours[-1]:,.0f} rows/s, {megabytes:.0f} MB{beside}"
            )
        batch = importing.prepare("")
        naive = naive_rows / importing.naive_import(batch, source, naive_rows)
        self.stdout.write(f"  naive csv + bulk_create, {naive_rows:,} rows: {naive:,.0f} rows/s")
        importing.empty()
        self.figures(ours, bare, naive, max(rss))

    def import_once(self, source: Path) -> tuple[float, float]:
        upload = importing.uploads() / LIST
        shutil.copyfile(source, upload)
        importing.prepare(upload.name)
        connection.close()
        done = subprocess.run(  # noqa: S603 ourselves
            [sys.executable, sys.argv[0], "bench_import", "--part", "import"],
            stdout=subprocess.PIPE,
            check=True,
        )
        told = json.loads(done.stdout)
        stored, refused = Recipient.unscoped.count(), RejectedRow.unscoped.count()
        self.stdout.write(f"  stored {stored:,}, refused {refused:,}, in {told['seconds']:.1f} s")
        return told["seconds"], told["rss"]

    def copy_once(self) -> float:
        """Rows per second of a bare COPY of what the import has stored, into the same table,
        emptied.
        """
        dump = importing.uploads().parent / "rows.copy"
        importing.dump_rows(dump)
        stored = Recipient.unscoped.count()
        importing.clear_recipients()
        time.sleep(1)  # let the server finish what the emptying left to do
        return stored / importing.bare_copy(dump)

    def figures(self, ours: list[float], bare: list[float], naive: float, rss: float) -> None:
        rate = median(ours)
        self.stdout.write(f"figure import_rows_per_second {rate:.0f}")
        self.stdout.write(f"figure import_rss_mb {rss:.0f}")
        self.stdout.write(f"figure import_naive_rows_per_second {naive:.0f}")
        self.stdout.write(f"figure import_times_naive {rate / naive:.1f}")
        broken = (
            [f"the import took {rss:.0f} MB of memory, not {MAX_RSS_MB}"]
            if rss > MAX_RSS_MB
            else []
        )
        if connection.vendor == "postgresql":
            ratio = median(our / their for our, their in zip(ours, bare, strict=True))
            self.stdout.write(f"figure import_bare_copy_rows_per_second {median(bare):.0f}")
            self.stdout.write(f"figure import_against_bare_copy {ratio:.2f}")
            self.stdout.write(f"figure import_naive_against_bare_copy {naive / median(bare):.2f}")
            if ratio < MIN_RATIO:
                broken.append(f"the import reached {ratio:.2f} of a bare COPY, not {MIN_RATIO}")
        if broken:
            self.stderr.write("broken: " + "; ".join(broken))
            sys.exit(1)
