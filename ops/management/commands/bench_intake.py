"""`manage.py bench_intake`: how many events of LiveKit and of agents does the web server take in,
beside a FastAPI program that ends in the same state?
"""

import statistics
import sys
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from ops.bench.absolute_goals import AbsoluteGoal
from ops.bench.api_comparison import Ratio
from ops.bench.api_load import require_wrk
from ops.bench.api_servers import OURS, PEER, SIDES, Server, database_pid, running_servers
from ops.bench.child_processes import BenchmarkParts
from ops.bench.intake_events import create_calls, posts_about
from ops.bench.intake_load import IntakeRun, send_events, state_of
from ops.bench.rerun import is_rerun, rerun_isolated
from ops.management.commands.bench_api import PROXIED_SETTINGS
from ops.new_secrets import new_secrets
from worker.periodic.intake import INTAKE_INTERVAL_SECONDS, apply_new_events
from worker.threads import PeriodicThread

MIN_INTAKE_RATIO = 2.5  # ours to the peer, events per second
SPEED_GOAL = AbsoluteGoal("Events", 2_000, "per second", "at least")
LATENCY_GOAL = AbsoluteGoal("p99", 60, "ms", "at most")
INTAKE_PARTS = BenchmarkParts("bench_intake")
INTAKE_FIGURES = (
    *("events_per_second", "p50", "p99"),
    *("app_cpu", "worker_cpu", "database_cpu", "wrk_cpu"),
)


class Command(BaseCommand):
    help = (
        "Sends LiveKit's webhooks and agents' reports of some hundred calls at once, mixed, "
        "repeated and in disorder, to our web server (two processes, and a worker's thread that "
        "applies them) and to benchmarks/peer_fastapi in turn, on one PostgreSQL of its own. "
        "Checks that both end in the same state. Exits 1 below 2.5 times the peer."
    )

    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--calls", type=int, default=500, help="in each run, 15 events each")
        parser.add_argument("--rounds", type=int, default=3, help="runs of each side")
        parser.add_argument("--part", choices=["worker"], help="for the benchmark's own use")

    def handle(self, **options: Any) -> None:
        if options["part"]:
            self.run_worker()
        elif is_rerun():
            call_command("migrate", verbosity=0, interactive=False)
            with running_servers() as servers:
                self.measure(servers, options["calls"], options["rounds"])
        else:
            require_wrk()
            sys.exit(rerun_isolated({**new_secrets(), **PROXIED_SETTINGS}))

    def run_worker(self) -> None:
        """Apply what the web server has stored, as every worker does, until stdin is closed."""
        thread = PeriodicThread(
            "intake", apply_new_events, interval_seconds=INTAKE_INTERVAL_SECONDS
        )
        thread.start()
        sys.stdin.read()
        thread.stop()
        thread.join()

    def measure(self, servers: Mapping[str, Server], calls: int, rounds: int) -> None:
        """Print the table. Raises CommandError for different states and a missed goal."""
        connection.close()
        worker = INTAKE_PARTS.start("worker")
        runs: dict[str, list[IntakeRun]] = defaultdict(list)
        try:
            for number in range(rounds + 1):
                # The first round warms both up. What runs second may find warmer caches, so the
                # sides take turns.
                for side, run in self.run_round(servers, worker.pid, calls, number).items():
                    if number:
                        runs[side].append(run)
        finally:
            worker.communicate("")
        self.report(runs)

    def run_round(
        self, servers: Mapping[str, Server], worker: int, calls: int, number: int
    ) -> dict[str, IntakeRun]:
        """Send the same events to both sides. Raises CommandError when they end differently."""
        found, states = {}, {}
        for side in SIDES if number % 2 else SIDES[::-1]:
            rows = create_calls(calls)
            found[side] = send_events(
                servers[side],
                posts_about(rows, seed=number),
                worker=worker if side == OURS else None,
                database=database_pid(),
            )
            states[side] = state_of(rows)
            rate = found[side].events_per_second
            self.stdout.write(f"Round {number}, {side}: {rate:.0f} events/s")
        for ours, peers in zip(states[OURS], states[PEER], strict=True):
            if ours != peers:
                raise CommandError(f"The sides end differently (ours, peer):\n{ours}\n{peers}")
        return found

    def report(self, runs: Mapping[str, Sequence[IntakeRun]]) -> None:
        """Raises CommandError when the ratio misses its goal; the others are printed."""
        self.stdout.write("| figure | ours | peer | ratio (spread) |")
        self.stdout.write("|---|---|---|---|")
        for name in INTAKE_FIGURES:
            ours, peers = ([getattr(run, name) for run in runs[side]] for side in SIDES)
            medians = (f"{statistics.median(values):.2f}" for values in (ours, peers))
            ratio = Ratio.of(ours, peers)
            spread = "" if name == "worker_cpu" else str(ratio)
            self.stdout.write(f"| {name} | {' | '.join(medians)} | {spread} |")
        speed = Ratio.of(*([run.events_per_second for run in runs[side]] for side in SIDES))
        of_ours = {
            name: statistics.median(getattr(run, name) for run in runs[OURS])
            for name in INTAKE_FIGURES
        }
        self.stdout.write(SPEED_GOAL.line(of_ours["events_per_second"]))
        self.stdout.write(LATENCY_GOAL.line(of_ours["p99"]))
        is_held = speed.median >= MIN_INTAKE_RATIO
        verdict = "held" if is_held else "missed"
        self.stdout.write(f"Ratio: {speed}, goal at least {MIN_INTAKE_RATIO}: {verdict}")
        self.stdout.write(f"figure ratio_intake {speed.median:.3f}")
        if not is_held:
            raise CommandError(f"Below the goal: {speed.median:.2f} of {MIN_INTAKE_RATIO}")
