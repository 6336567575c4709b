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
from ops.bench import bare, dialling
from ops.bench.cluster import is_inside
from ops.bench.loopback import Loopback, serve_until_told
from ops.bench.meter import RoundTrips, cpu_seconds_of, own_cpu_seconds, peak_megabytes
from ops.bench.parts import Parts, again_with_livekit
from ops.bench.worker import work
from voiceops.core.errors import DomainError

PARTS = Parts("bench_dial")
RINGING_SECONDS = (
    12.0  # as phones do: long enough for a worker to dial all that shall ring together
)
PROMISES = {
    "calls_per_second_per_worker": 200.0,
    "cpu_ms_per_call": 5.0,
    "ringing_at_once": 2000,
    "ringing_rss_mb": 300,
}


@dataclass(frozen=True)
class Run:
    workers: int
    calls: int
    seconds: float
    cpu_app: float
    cpu_database: float
    round_trips: int
    rss_mb: float
    most_ringing: int

    @property
    def rate(self) -> float:
        return self.calls / self.seconds


class Command(BaseCommand):
    help = (
        "Places calls against a bare loopback server that answers after 100 ms, with the whole protocol and all its "
        "rows, with 1, 2 and 4 workers, beside a bare loop that only sends the same requests. Prints figures, and "
        "exits 1 when a promise is broken. Uses DATABASE_URL when it names PostgreSQL, else a server of its own."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--calls", type=int, default=20_000, help="how many in each run")
        parser.add_argument("--workers", default="1,2,4", help="worker processes, one run each")
        parser.add_argument(
            "--ringing", type=int, default=2000, help="how many shall ring at once in one worker"
        )
        parser.add_argument(
            "--part", choices=["worker", "server"], help="for the benchmark's own use"
        )
        parser.add_argument(
            "--answer", type=float, default=0.1, help="seconds until the loopback server answers"
        )

    def handle(self, **options: Any) -> None:
        if options["part"] == "worker":
            self.worker()
        elif options["part"] == "server":
            asyncio.run(self.server(options["answer"]))
        elif is_inside():
            try:
                self.measure(options)
            except DomainError as error:
                raise CommandError(str(error)) from error
        else:
            sys.exit(again_with_livekit())

    # --- the parts ---

    def worker(self) -> None:
        trips = RoundTrips()
        trips.watch()
        work()
        print(json.dumps({"cpu": own_cpu_seconds(), "rss": peak_megabytes(), "trips": trips.count}))

    async def server(self, answer: float) -> None:
        loopback = Loopback(answer_seconds=answer)
        await serve_until_told(loopback)
        print(json.dumps({"most_ringing": loopback.most_ringing, "dialled": len(loopback.dials)}))

    # --- the measuring ---

    def measure(self, options: dict[str, Any]) -> None:
        connection.close()
        call_command("migrate", verbosity=0, interactive=False)
        runs, bars = [], []
        for workers in map(int, options["workers"].split(",")):
            bars.append(self.bar(min(options["calls"], 5000)))
            runs.append(self.run(workers, options["calls"], options["answer"]))
            self.line(runs[-1], bars[-1])
        rings = self.run(1, 2 * options["ringing"], RINGING_SECONDS)
        self.stdout.write(
            f"  ringing at once, one worker: {rings.most_ringing}, {rings.rss_mb:.0f} MB"
        )
        self.figures(runs, bars, rings)

    def bar(self, calls: int) -> float:
        with PARTS.server():
            return asyncio.run(bare.send_only(calls, at_once=200))

    def run(self, workers: int, calls: int, answer: float) -> Run:
        dialling.prepare(calls)
        before = cpu_seconds_of("postgres")
        with PARTS.server("--answer", str(answer)) as server:
            began = time.monotonic()
            parts = [PARTS.start("worker") for _ in range(workers)]
            told = [json.loads(part.communicate()[0]) for part in parts]
            seconds = time.monotonic() - began
        most = server["most_ringing"]
        self.check_all_called(calls)
        return Run(
            workers=workers,
            calls=calls,
            seconds=min(seconds, dialling.seconds_spent() or seconds),
            cpu_app=sum(one["cpu"] for one in told),
            cpu_database=cpu_seconds_of("postgres") - before,
            round_trips=sum(one["trips"] for one in told),
            rss_mb=max(one["rss"] for one in told),
            most_ringing=most,
        )

    def check_all_called(self, calls: int) -> None:
        done = Recipient.unscoped.filter(status=Recipient.Status.COMPLETED, attempts=1).count()
        connection.close()
        if done != calls:
            raise CommandError(f"{done} of {calls} people were called")

    # --- the telling ---

    def line(self, run: Run, bar: float) -> None:
        self.stdout.write(
            f"  {run.workers} worker(s): {run.rate:7.0f} calls/s ({run.rate / bar:.2f} of a bare loop's {bar:.0f}), "
            f"CPU per call {1000 * run.cpu_app / run.calls:.2f} + {1000 * run.cpu_database / run.calls:.2f} ms, "
            f"{run.round_trips / run.calls:.2f} round trips, {run.most_ringing} ringing, {run.rss_mb:.0f} MB"
        )

    def figures(self, runs: list[Run], bars: list[float], rings: Run) -> None:
        best = max(run.rate / run.workers for run in runs)
        cpu = min(1000 * (run.cpu_app + run.cpu_database) / run.calls for run in runs)
        figures: dict[str, float] = {
            "calls_per_second_per_worker": round(best, 1),
            "cpu_ms_per_call": round(cpu, 3),
            "ringing_at_once": rings.most_ringing,
            "ringing_rss_mb": round(rings.rss_mb),
        }
        for run, bar in zip(runs, bars, strict=True):
            figures[f"ratio_to_bare_loop_{run.workers}"] = round(run.rate / bar, 3)
            figures[f"round_trips_per_call_{run.workers}"] = round(run.round_trips / run.calls, 2)
        for name, value in figures.items():
            self.stdout.write(f"figure {name} {value}")
        kept = (
            figures["calls_per_second_per_worker"] >= PROMISES["calls_per_second_per_worker"]
            and figures["cpu_ms_per_call"] <= PROMISES["cpu_ms_per_call"]
            and figures["ringing_at_once"] >= PROMISES["ringing_at_once"]
            and figures["ringing_rss_mb"] <= PROMISES["ringing_rss_mb"]
        )
        if not kept:
            raise CommandError(f"A promise is broken: {PROMISES}")
