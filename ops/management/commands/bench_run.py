"""`manage.py bench_run`: how many calls per second does this machine carry, everything included?"""

import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from ops.bench.rerun import given_postgres_url, is_rerun, rerun_isolated
from ops.bench.whole_run import WEB_CPU_GOALS, WholeRun, run_list, write_list
from ops.new_secrets import new_secrets
from ops.serving.ports import free_ports
from ops.serving.processes import running_services
from voiceops.core.errors import DomainError


class Command(BaseCommand):
    help = (
        "Starts sandbox, web server and worker with a database of their own, calls a list of "
        "numbers as fast as the machine can, and prints the calls per second and the CPU time "
        "that each part used for a call."
    )

    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--calls", type=int, default=1000)
        parser.add_argument(
            "--sqlite", action="store_true", help="the embedded database instead of PostgreSQL"
        )

    def handle(self, *, calls: int, sqlite: bool, **options: Any) -> None:
        if is_rerun():
            try:
                self.report(self.measure(calls))
            except DomainError as error:
                raise CommandError(str(error)) from error
        else:
            sys.exit(self.run_isolated(sqlite))

    def run_isolated(self, sqlite: bool) -> int:
        """Run this command again with a database and ports of its own; returns the exit code."""
        port, sandbox_port = map(str, free_ports(2))
        environment = {
            **new_secrets(),
            "PORT": port,
            "SANDBOX_PORT": sandbox_port,
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "LIVEKIT_URL": f"http://127.0.0.1:{sandbox_port}",
        }
        if not sqlite:
            return rerun_isolated(environment, database_url=given_postgres_url())
        with tempfile.TemporaryDirectory(prefix="voiceops-bench-") as folder:
            return rerun_isolated(environment, database_url=f"sqlite:///{folder}/bench.sqlite3")

    def measure(self, calls: int) -> WholeRun:
        """Run everything. Raises DomainError."""
        file = Path(settings.DATA_DIR) / "bench.csv"
        write_list(file, calls)
        with running_services(report=self.stdout.write) as supervisor:
            return run_list(supervisor, file, calls)

    def report(self, run: WholeRun) -> None:
        for line in run.lines():
            self.stdout.write(line)
        self.stdout.write(
            f"{run.calls} calls in {run.seconds:.1f} s: {run.calls_per_second:.1f} calls/s"
        )
        self.stdout.write(WEB_CPU_GOALS[connection.vendor].line(run.cpu["web"]))
        self.stdout.write(f"figure calls_per_second {run.calls_per_second:.2f}")
