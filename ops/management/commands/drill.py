import os
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ops.drill import parallel_runs
from ops.drill.fault_run import FaultRun
from ops.drill.invariants import read_ledger
from ops.drill.matrix import MATRIX, WORKERS, WorldName, chosen
from ops.drill.scenario import FAULTS, Drill, Plan, Sandbox
from ops.drill.servers import Servers
from ops.drill.world import World
from ops.serving.processes import running

IN_REVIEW_AT_MOST = 0.01
RANDOM_KINDS = ("kill worker", "stop worker", "term worker", "kill web", "kill sandbox")
ON_OWN_SERVERS = ("crash postgres",)
SEEDS = (1, 2, 3)


class Command(BaseCommand):
    help = (
        "Kills the worker in the middle of a batch, again and again, with faults at LiveKit, and checks the books: "
        "nobody dialled twice, nobody lost. Works in a folder and on ports of its own. With --seed, blows of every "
        "kind fall at random, and the same seed deals the same blows."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--people", type=int, default=300, help="how long the list is (at most 1000)"
        )
        parser.add_argument("--kills", type=int, default=10, help="how many blows fall")
        parser.add_argument(
            "--seed", type=int, default=None, help=f"random blows: {', '.join(RANDOM_KINDS)}"
        )
        parser.add_argument(
            "--workers", type=int, default=1, help="how many workers share the batch"
        )
        parser.add_argument(
            "--no-faults", action="store_true", help="only the blows, no faults at LiveKit"
        )
        parser.add_argument(
            "--servers", action="store_true", help="on a PostgreSQL and a Redis of its own"
        )
        parser.add_argument(
            "--fault", help="instead: faults of the matrix, as F7 or F1,F2, or 'all'"
        )
        parser.add_argument(
            "--all",
            action="store_true",
            help="instead: every fault once, and three seeds, side by side",
        )
        parser.add_argument("--world", choices=list(WORKERS), help="for the drill's own use")
        parser.add_argument(
            "--seconds", type=float, default=240.0, help="until everything must have come to rest"
        )

    def handle(self, **options: Any) -> None:
        if os.environ.get(parallel_runs.INSIDE) != "1":
            sys.exit(self.outside(options))
        if options["fault"]:
            self.matrix(options["fault"], options["world"])
        else:
            self.batch(options)

    def outside(self, options: dict[str, Any]) -> int:
        """Run this command again in worlds of their own."""
        for name in ("PUBLIC_URL", "LIVEKIT_URL", "TWILIO_BASE_URL", "DIAL_FENCE_SECONDS"):
            os.environ.pop(name, None)
        if options["all"]:
            seeds = parallel_runs.for_seeds(SEEDS, "--people", "150", "--kills", "5")
            return self.side_by_side([*parallel_runs.for_faults(MATRIX), *seeds])
        if options["fault"]:
            return self.side_by_side(parallel_runs.for_faults(chosen(options["fault"])))
        alone = parallel_runs.Order("", sys.argv[2:], on_servers=options["servers"])
        parallel_runs.run(alone, self.tell)
        return alone.code

    def side_by_side(self, orders: Sequence[parallel_runs.Order]) -> int:
        for name in ("DATABASE_URL", "CELERY_BROKER_URL"):
            os.environ.pop(name, None)  # one database would be one world
        return 0 if parallel_runs.carry_out(orders, self.tell) else 1

    def matrix(self, names: str, where: WorldName) -> None:
        faults = [fault for fault in chosen(names) if fault.world == where]
        with running(tell=self.tell, workers=WORKERS[where]) as supervisor:
            rehearsal = FaultRun(World(supervisor, self.tell, Servers.from_environment()), faults)
            threading.Thread(target=rehearsal.run, name="drill", daemon=True).start()
            supervisor.watch(until=lambda: rehearsal.over)
        broken = [verdict for verdict in rehearsal.verdicts if verdict.broken]
        self.tell("")
        for verdict in rehearsal.verdicts:
            self.tell(verdict.line())
        for verdict in broken:
            for line in verdict.broken:
                self.tell(f"BROKEN {verdict.fault.name}: {line}")
        self.tell(f"figure faults {len(faults)}")
        self.tell(f"figure broken {len(broken)}")
        if broken or not rehearsal.verdicts:
            raise CommandError(f"Broken: {', '.join(verdict.fault.name for verdict in broken)}")

    def kinds(self, options: dict[str, Any]) -> tuple[str, ...]:
        if options["seed"] is None:
            return ("kill worker",)
        return (*RANDOM_KINDS, *ON_OWN_SERVERS) if options["servers"] else RANDOM_KINDS

    def batch(self, options: dict[str, Any]) -> None:
        plan = Plan(
            people=options["people"],
            blows=options["kills"],
            kinds=self.kinds(options),
            seed=options["seed"] or 1,
            faults={} if options["no_faults"] else dict(FAULTS),
            seconds=options["seconds"],
        )
        with running(tell=self.tell, workers=options["workers"]) as supervisor:
            drill = Drill(plan, supervisor, self.tell)
            thread = threading.Thread(target=drill.run, name="drill", daemon=True)
            thread.start()
            supervisor.watch(until=lambda: drill.over)
            if drill.failure:
                self.tell(f"The drill did not come to rest: {drill.failure}")
            if not drill.batch_id:
                raise CommandError(drill.failure or "Interrupted")
            self.report(drill, Sandbox().dials())

    def report(self, drill: Drill, dials: list[dict[str, Any]]) -> None:
        ledger = read_ledger(drill.batch_id, dials, uploaded=drill.plan.people)
        ledger.check(truth=not drill.cut_off)
        self.tell(ledger.table())
        for line in ledger.broken:
            self.tell(f"BROKEN: {line}")
        figures = ledger.figures()
        for name, value in figures.items():
            self.tell(f"figure {name} {value}")
        allowed = IN_REVIEW_AT_MOST * figures["people"] + drill.cut_off
        if drill.failure or ledger.broken or figures["review"] > allowed:
            raise CommandError(
                f"A promise is broken (in review: {figures['review']}, at most {allowed:g})."
            )

    def tell(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()
