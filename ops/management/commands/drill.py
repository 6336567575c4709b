"""`manage.py drill`: break things on purpose, and check that nobody was called twice or lost."""

import os
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ops.drill.batch_drill import LIVEKIT_FAULT_RATES, BatchDrill, DrillPlan
from ops.drill.case_files import case_files
from ops.drill.fault_run import FaultResult, FaultRun
from ops.drill.invariants import read_ledger
from ops.drill.matrix import MATRIX, WORLDS, WorldName, select_faults
from ops.drill.parallel_runs import (
    INSIDE_DRILL_VARIABLE,
    DrillRun,
    run_all,
    run_one,
    runs_for_faults,
    runs_for_seeds,
)
from ops.drill.sandbox_control import SandboxControl
from ops.drill.servers import Servers
from ops.drill.world import World
from ops.serving.processes import running_services
from voiceops.core.errors import DomainError

MAX_REVIEW_SHARE = 0.01
RANDOM_KINDS = ("kill worker", "stop worker", "term worker", "kill web", "crash livekit")
KINDS_NEEDING_SERVERS = ("crash postgres",)
SEEDS = (1, 2, 3)
# Settings that would make the drill use another LiveKit, or another fence, than its sandbox's.
FOREIGN_SETTINGS = ("PUBLIC_URL", "LIVEKIT_URL", "TWILIO_BASE_URL", "DIAL_FENCE_SECONDS")


class Command(BaseCommand):
    help = (
        "Kills the worker in the middle of a batch, again and again, while LiveKit fails too, and "
        "then checks that nobody was dialed twice and nobody was lost. Uses a folder and ports of "
        "its own. With --seed, processes of every kind are killed, stopped and restarted at "
        "random; the same seed repeats the same disruptions."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--people", type=int, default=300, help="recipients on the list (at most 1000)"
        )
        parser.add_argument("--kills", type=int, default=10, help="number of disruptions")
        parser.add_argument(
            "--seed", type=int, default=None, help=f"random disruptions: {', '.join(RANDOM_KINDS)}"
        )
        parser.add_argument("--workers", type=int, default=1, help="workers that share the batch")
        parser.add_argument(
            "--no-faults", action="store_true", help="only disruptions, no faults at LiveKit"
        )
        parser.add_argument(
            "--servers", action="store_true", help="use a PostgreSQL and a Redis of its own"
        )
        parser.add_argument(
            "--fault",
            help="instead: faults of the matrix, for example F7 or F1,F2, or 'all'",
        )
        parser.add_argument(
            "--all",
            action="store_true",
            help="instead: every fault once, and three seeds, side by side",
        )
        parser.add_argument("--world", choices=list(WORLDS), help="for the drill's own use")
        parser.add_argument(
            "--together",
            action="store_true",
            help="for the drill's own use: the share in review is judged over all runs",
        )
        parser.add_argument(
            "--seconds", type=float, default=240.0, help="until everything must have ended"
        )

    def handle(self, **options: Any) -> None:
        try:
            if os.environ.get(INSIDE_DRILL_VARIABLE) != "1":
                sys.exit(self.run_isolated(options))
            if options["fault"]:
                self.run_matrix(options["fault"], options["world"])
            else:
                self.run_batch_drill(options)
        except DomainError as error:
            raise CommandError(str(error)) from error

    # --- outside: run this command again, in worlds of its own ---

    def run_isolated(self, options: dict[str, Any]) -> int:
        """Run this command again with a folder and ports of its own; returns the exit code."""
        for name in FOREIGN_SETTINGS:
            os.environ.pop(name, None)
        if options["all"]:
            seeds = runs_for_seeds(SEEDS, "--people", "150", "--kills", "5", "--together")
            runs = [*runs_for_faults(MATRIX), *seeds]
            return self.run_side_by_side(runs, max_review_share=MAX_REVIEW_SHARE)
        if options["fault"]:
            return self.run_side_by_side(runs_for_faults(select_faults(options["fault"])))
        run = DrillRun("", sys.argv[2:], needs_servers=options["servers"])
        run_one(run, self.report)
        return run.exit_code

    def run_side_by_side(
        self, runs: Sequence[DrillRun], *, max_review_share: float | None = None
    ) -> int:
        # Drills that shared one database would disturb each other.
        for name in ("DATABASE_URL", "CELERY_BROKER_URL"):
            os.environ.pop(name, None)
        return 0 if run_all(runs, self.report, max_review_share=max_review_share) else 1

    # --- inside ---

    def run_matrix(self, names: str, world_name: WorldName) -> None:
        faults = [fault for fault in select_faults(names) if fault.world == world_name]
        with running_services(report=self.report, workers=WORLDS[world_name].workers) as supervisor:
            world = World(supervisor, self.report, Servers.from_environment())
            run = FaultRun(world, faults)
            threading.Thread(target=run.run, name="drill", daemon=True).start()
            supervisor.watch(until=lambda: run.is_over)
        self.report_matrix(run.results, run.figures)

    def report_matrix(self, results: Sequence[FaultResult], figures: Mapping[str, int]) -> None:
        """Raises CommandError when something is broken, or nothing was run."""
        broken = [result for result in results if result.violations]
        self.report("")
        for result in results:
            self.report(result.summary_line())
        for result in broken:
            for violation in result.violations:
                self.report(f"BROKEN {result.fault.name}: {violation}")
        self.report(f"figure faults {len(results)}")
        self.report(f"figure broken {len(broken)}")
        for name, value in figures.items():
            self.report(f"figure {name} {value}")
        if broken or not results:
            raise CommandError(f"Broken: {', '.join(result.fault.name for result in broken)}")

    def run_batch_drill(self, options: dict[str, Any]) -> None:
        """Call a list and disrupt processes. Raises CommandError when a promise is broken."""
        plan = DrillPlan(
            recipients=options["people"],
            disruptions=options["kills"],
            kinds=self.disruption_kinds(options),
            seed=options["seed"] or 1,
            fault_rates={} if options["no_faults"] else dict(LIVEKIT_FAULT_RATES),
            seconds=options["seconds"],
        )
        with running_services(report=self.report, workers=options["workers"]) as supervisor:
            drill = BatchDrill(plan, supervisor, self.report)
            # Processes are restarted from the main thread only, so the drill has another.
            threading.Thread(target=drill.run, name="drill", daemon=True).start()
            supervisor.watch(until=lambda: drill.is_over)
            if drill.failure:
                self.report(f"The drill did not end: {drill.failure}")
            if not drill.batch_id:
                raise CommandError(drill.failure or "Interrupted")
            max_review_share = 1.0 if options["together"] else MAX_REVIEW_SHARE
            self.report_batch_drill(drill, SandboxControl().calls(), max_review_share)

    def disruption_kinds(self, options: dict[str, Any]) -> tuple[str, ...]:
        if options["seed"] is None:
            return ("kill worker",)
        return (*RANDOM_KINDS, *KINDS_NEEDING_SERVERS) if options["servers"] else RANDOM_KINDS

    def report_batch_drill(
        self, drill: BatchDrill, dials: list[dict[str, Any]], max_review_share: float
    ) -> None:
        """Raises CommandError when an invariant is violated or too many are in review."""
        ledger = read_ledger(drill.batch_id, dials, uploaded_rows=drill.plan.recipients)
        ledger.check_all(check_outcomes=not drill.has_crashed_livekit)
        self.report(ledger.table())
        for line in case_files(ledger.recipients, dials):
            self.report(line)
        for violation in ledger.violations:
            self.report(f"BROKEN: {violation}")
        figures = ledger.figures()
        for name, value in figures.items():
            self.report(f"figure {name} {value}")
        allowed = max_review_share * figures["people"]
        if drill.failure or ledger.violations or figures["review"] > allowed:
            raise CommandError(
                f"A promise is broken (in review: {figures['review']}, at most {allowed:g})."
            )

    def report(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()
