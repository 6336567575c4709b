"""`manage.py bench_dial`: how many calls per second does a worker dial?"""

import asyncio
import json
import sys
import time
from argparse import ArgumentParser
from dataclasses import dataclass
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from batches.models import Recipient
from ops.bench.bare_dialing import send_requests
from ops.bench.child_processes import BenchmarkParts, rerun_with_livekit
from ops.bench.dialing import prepare_dialing, seconds_spent
from ops.bench.livekit_stub import LiveKitStub, serve_until_stdin_closes
from ops.bench.rerun import is_rerun
from ops.bench.resource_usage import (
    RoundTripCounter,
    cpu_seconds_of,
    own_cpu_seconds,
    peak_megabytes,
)
from ops.bench.worker import run_until_done
from voiceops.core.errors import DomainError

DIAL_PARTS = BenchmarkParts("bench_dial")
# As long as phones ring, and long enough for one worker to dial all that are to ring together.
RINGING_SECONDS = 12.0
BARE_LOOP_CONCURRENCY = 200
MAX_BARE_LOOP_CALLS = 5000
DIAL_PROMISES = {
    "calls_per_second_per_worker": 200.0,
    "cpu_ms_per_call": 5.0,
    "ringing_at_once": 2000,
    "ringing_rss_mb": 300,
}


@dataclass(frozen=True)
class DialRun:
    """What one run measured. CPU is in seconds, of all calls together."""

    workers: int
    calls: int
    seconds: float
    cpu_app: float
    cpu_database: float
    round_trips: int
    rss_mb: float
    max_ringing: int

    @property
    def calls_per_second(self) -> float:
        return self.calls / self.seconds

    @property
    def cpu_ms_per_call(self) -> float:
        return 1000 * (self.cpu_app + self.cpu_database) / self.calls

    @property
    def round_trips_per_call(self) -> float:
        return self.round_trips / self.calls


class Command(BaseCommand):
    help = (
        "Places calls through a bare local server that answers after 100 ms, with the whole "
        "protocol and all its rows, with 1, 2 and 4 workers, and beside it runs a bare loop that "
        "only sends the same requests. Prints figures, and exits 1 when a promise is broken. "
        "Uses DATABASE_URL when it names PostgreSQL, else a server of its own."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--calls", type=int, default=20_000, help="calls in each run")
        parser.add_argument("--workers", default="1,2,4", help="worker processes, one run each")
        parser.add_argument(
            "--ringing", type=int, default=2000, help="calls that ring together in one worker"
        )
        parser.add_argument(
            "--part", choices=["worker", "server"], help="for the benchmark's own use"
        )
        parser.add_argument(
            "--answer", type=float, default=0.1, help="seconds until the local server answers"
        )

    def handle(self, **options: Any) -> None:
        if options["part"] == "worker":
            self.run_worker()
        elif options["part"] == "server":
            asyncio.run(self.run_server(options["answer"]))
        elif is_rerun():
            try:
                self.measure(options)
            except DomainError as error:
                raise CommandError(str(error)) from error
        else:
            sys.exit(rerun_with_livekit())

    # --- the parts: each runs in a process of its own ---

    def run_worker(self) -> None:
        counter = RoundTripCounter()
        counter.install()
        run_until_done()
        measured = {"cpu": own_cpu_seconds(), "rss": peak_megabytes(), "trips": counter.count}
        print(json.dumps(measured))

    async def run_server(self, answer_seconds: float) -> None:
        stub = LiveKitStub(answer_seconds=answer_seconds)
        await serve_until_stdin_closes(stub)
        print(json.dumps({"max_ringing": stub.max_ringing, "dials": len(stub.dials)}))

    # --- measuring ---

    def measure(self, options: dict[str, Any]) -> None:
        connection.close()
        call_command("migrate", verbosity=0, interactive=False)
        runs = []
        bare_rates = []
        # Each run has the bare loop just before it, so that both see the machine in one state.
        for workers in map(int, options["workers"].split(",")):
            bare_rates.append(self.measure_bare_loop(min(options["calls"], MAX_BARE_LOOP_CALLS)))
            runs.append(self.measure_run(workers, options["calls"], options["answer"]))
            self.print_run(runs[-1], bare_rates[-1])
        ringing_run = self.measure_run(1, 2 * options["ringing"], RINGING_SECONDS)
        self.stdout.write(
            f"  ringing together, one worker: {ringing_run.max_ringing}, "
            f"{ringing_run.rss_mb:.0f} MB"
        )
        figures = self.figures(runs, bare_rates, ringing_run)
        self.report(figures)

    def measure_bare_loop(self, calls: int) -> float:
        """Calls per second of a loop that only sends the requests."""
        with DIAL_PARTS.running_server():
            return asyncio.run(send_requests(calls, concurrency=BARE_LOOP_CONCURRENCY))

    def measure_run(self, workers: int, calls: int, answer_seconds: float) -> DialRun:
        prepare_dialing(calls)
        database_cpu = cpu_seconds_of("postgres")
        with DIAL_PARTS.running_server("--answer", str(answer_seconds)) as server:
            began = time.monotonic()
            parts = [DIAL_PARTS.start("worker") for _ in range(workers)]
            measured = [json.loads(part.communicate()[0]) for part in parts]
            seconds = time.monotonic() - began
        self.check_all_called(calls)
        return DialRun(
            workers=workers,
            calls=calls,
            # Without the start of the processes, which a worker does once in its life.
            seconds=min(seconds, seconds_spent() or seconds),
            cpu_app=sum(each["cpu"] for each in measured),
            cpu_database=cpu_seconds_of("postgres") - database_cpu,
            round_trips=sum(each["trips"] for each in measured),
            rss_mb=max(each["rss"] for each in measured),
            max_ringing=server["max_ringing"],
        )

    def check_all_called(self, calls: int) -> None:
        """Raises CommandError unless every recipient was called exactly once."""
        done = Recipient.unscoped.filter(status=Recipient.Status.COMPLETED, attempts=1).count()
        connection.close()
        if done != calls:
            raise CommandError(f"{done} of {calls} recipients were called")

    # --- reporting ---

    def print_run(self, run: DialRun, bare_rate: float) -> None:
        ratio = run.calls_per_second / bare_rate
        cpu_app = 1000 * run.cpu_app / run.calls
        cpu_database = 1000 * run.cpu_database / run.calls
        self.stdout.write(
            f"  {run.workers} worker(s): {run.calls_per_second:7.0f} calls/s "
            f"({ratio:.2f} of a bare loop's {bare_rate:.0f}), "
            f"CPU per call {cpu_app:.2f} + {cpu_database:.2f} ms, "
            f"{run.round_trips_per_call:.2f} round trips, {run.max_ringing} ringing, "
            f"{run.rss_mb:.0f} MB"
        )

    def figures(
        self, runs: list[DialRun], bare_rates: list[float], ringing_run: DialRun
    ) -> dict[str, float]:
        best_rate = max(run.calls_per_second / run.workers for run in runs)
        figures: dict[str, float] = {
            "calls_per_second_per_worker": round(best_rate, 1),
            "cpu_ms_per_call": round(min(run.cpu_ms_per_call for run in runs), 3),
            "ringing_at_once": ringing_run.max_ringing,
            "ringing_rss_mb": round(ringing_run.rss_mb),
        }
        for run, bare_rate in zip(runs, bare_rates, strict=True):
            ratio = run.calls_per_second / bare_rate
            figures[f"ratio_to_bare_loop_{run.workers}"] = round(ratio, 3)
            figures[f"round_trips_per_call_{run.workers}"] = round(run.round_trips_per_call, 2)
        return figures

    def report(self, figures: dict[str, float]) -> None:
        """Print the figures. Raises CommandError when a promise is broken."""
        for name, value in figures.items():
            self.stdout.write(f"figure {name} {value}")
        kept = (
            figures["calls_per_second_per_worker"] >= DIAL_PROMISES["calls_per_second_per_worker"]
            and figures["cpu_ms_per_call"] <= DIAL_PROMISES["cpu_ms_per_call"]
            and figures["ringing_at_once"] >= DIAL_PROMISES["ringing_at_once"]
            and figures["ringing_rss_mb"] <= DIAL_PROMISES["ringing_rss_mb"]
        )
        if not kept:
            raise CommandError(f"A promise is broken: {DIAL_PROMISES}")
