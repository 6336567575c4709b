import json
import subprocess
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from batches.models import Batch
from ops.bench import importing, resulting
from ops.bench.cluster import again, is_inside
from ops.bench.resulting import Written
from ops.new_secrets import new_secrets

LIST = "bench-list.csv"
MOST_GROWN_MB = 10  # from a tenth of the rows to their end: memory does not depend on the batch


class Command(BaseCommand):
    help = (
        "Writes the results of a batch of a million people, all of them called, as results.csv and results.xlsx. "
        "Prints rows per second and memory, and exits 1 when memory grows with the rows. Uses a PostgreSQL of its own."
    )

    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rows", type=int, default=1_000_000)
        parser.add_argument(
            "--part", choices=[*resulting.WRITERS], help="for the benchmark's own use"
        )

    def handle(self, **options: Any) -> None:
        if options["part"]:
            print(json.dumps(asdict(resulting.write(Batch.unscoped.get(), options["part"]))))
        elif is_inside():
            self.measure(options["rows"])
        else:
            sys.exit(self.with_a_database())

    def with_a_database(self) -> int:
        served = {  # DEBUG keeps SQL
            "DEBUG": "0",
            "ALLOWED_HOSTS": "localhost",
            "PUBLIC_URL": "https://localhost",
        }
        return again({**new_secrets(), **served})

    def measure(self, rows: int) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        importing.write_list(importing.uploads() / LIST, rows)
        batch = importing.prepare(LIST)
        self.stdout.write(f"{rows:,} rows are imported, and everybody is called")
        importing.import_list(batch)
        resulting.call_everybody(batch)
        written = {kind: self.write(kind) for kind in resulting.WRITERS}
        for kind, one in written.items():
            self.stdout.write(f"figure results_{kind}_rows_per_second {one.rows / one.seconds:.0f}")
            self.stdout.write(f"figure results_{kind}_rss_mb {one.megabytes:.0f}")
            self.stdout.write(f"figure results_{kind}_grown_mb {one.grown:.1f}")
        if grown := [kind for kind, one in written.items() if one.grown > MOST_GROWN_MB]:
            raise CommandError(
                f"memory grew with the rows by more than {MOST_GROWN_MB} MB: {', '.join(grown)}"
            )

    def write(self, kind: str) -> Written:
        """In a process of its own, so that its memory is its own."""
        command = [sys.executable, sys.argv[0], "bench_results", "--part", kind]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603 ourselves
        told = Written(**json.loads(done.stdout))
        self.stdout.write(
            f"  results.{kind}: {told.rows:,} rows, {told.size:.0f} MB in {told.seconds:.1f} s, the first piece after "
            f"{told.first_seconds * 1000:.0f} ms, {told.megabytes:.0f} MB of memory"
        )
        return told
