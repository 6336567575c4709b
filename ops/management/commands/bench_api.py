"""`manage.py bench_api`: how fast is the API, beside a good FastAPI program on the same rows?"""

import sys
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from ops.bench.api_bodies import compare_bodies
from ops.bench.api_comparison import Comparison, missed_goals, report_lines
from ops.bench.api_load import Load, measure_load, require_wrk
from ops.bench.api_requests import SCENARIOS, requests_of
from ops.bench.api_rows import ApiRows, prepare_rows
from ops.bench.api_servers import SIDES, Server, database_pid, running_servers
from ops.bench.rerun import is_rerun, rerun_isolated
from ops.bench.resource_usage import shared_megabytes_of_tree
from ops.new_secrets import new_secrets

# As behind a proxy that ends TLS on the same machine.
PROXIED_SETTINGS = {
    "DEBUG": "0",
    "ALLOWED_HOSTS": "127.0.0.1",
    "PUBLIC_URL": "https://localhost",
    "TRUSTED_PROXIES": "127.0.0.1",
}


class Command(BaseCommand):
    help = (
        "Serves one PostgreSQL of its own with our web server and with benchmarks/peer_fastapi, "
        "checks that both answer the same bodies, loads both in turn with wrk, and prints ratios. "
        "Exits 1 when a goal of ops/bench/api_requests.py is missed."
    )

    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rows", type=int, default=100_000, help="calls, and recipients")
        parser.add_argument("--rounds", type=int, default=5, help="runs of each request and side")
        parser.add_argument("--seconds", type=int, default=2, help="length of one run")

    def handle(self, **options: Any) -> None:
        if not is_rerun():
            require_wrk()
            sys.exit(rerun_isolated({**new_secrets(), **PROXIED_SETTINGS}))
        call_command("migrate", verbosity=0, interactive=False)
        self.stdout.write(f"Creating {options['rows']:,} calls and recipients")
        rows = prepare_rows(options["rows"])
        with running_servers() as servers:
            self.measure(servers, rows, rounds=options["rounds"], seconds=options["seconds"])

    def measure(
        self, servers: Mapping[str, Server], rows: ApiRows, *, rounds: int, seconds: int
    ) -> None:
        """Print the table. Raises CommandError for different answers and missed goals."""
        for scenario in SCENARIOS:
            compare_bodies(servers, scenario, requests_of(scenario, rows), rows.issue_token())
        self.stdout.write("Both answer the same bodies")
        loads: dict[str, dict[str, list[Load]]] = defaultdict(lambda: defaultdict(list))
        database = database_pid()
        for number in range(rounds):
            self.stdout.write(f"Round {number + 1} of {rounds}")
            # What runs second may find warmer caches, so the sides take turns.
            order = SIDES if number % 2 else SIDES[::-1]
            for scenario in SCENARIOS:
                requests = requests_of(scenario, rows)
                for side in order:
                    load = measure_load(
                        servers[side], database, requests, rows.issue_token(), seconds
                    )
                    loads[scenario.name][side].append(load)
        comparisons = [Comparison(name, by_side) for name, by_side in loads.items()]
        memory = {side: shared_megabytes_of_tree(servers[side].pid) for side in SIDES}
        for line in report_lines(comparisons, memory):
            self.stdout.write(line)
        if missed := missed_goals(comparisons, memory):
            raise CommandError(f"Below the goal: {', '.join(missed)}")
