import os
import subprocess
import sys
import tempfile
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ops.drill.ledger import read_ledger
from ops.drill.scenario import FAULTS, Drill, Plan, Sandbox
from ops.ports import free_ports
from ops.processes import running

IN_REVIEW_AT_MOST = 0.01
RANDOM_KINDS = ("kill worker", "stop worker", "term worker", "kill web")
INSIDE = "VOICEOPS_DRILL"


class Command(BaseCommand):
    help = (
        "Kills the worker in the middle of a batch, again and again, with faults at LiveKit, and checks the books: "
        "nobody dialled twice, nobody lost. Works in a folder and on ports of its own. With --seed, blows of every "
        "kind fall at random, and the same seed deals the same blows."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--people", type=int, default=300, help="how long the list is (at most 1000)")
        parser.add_argument("--kills", type=int, default=10, help="how many blows fall")
        parser.add_argument("--seed", type=int, default=None, help=f"random blows: {', '.join(RANDOM_KINDS)}")
        parser.add_argument("--workers", type=int, default=1, help="how many workers share the batch")
        parser.add_argument("--no-faults", action="store_true", help="only the blows, no faults at LiveKit")
        parser.add_argument("--seconds", type=float, default=240.0, help="until everything must have come to rest")

    def handle(self, **options: Any) -> None:
        if os.environ.get(INSIDE) != "1":
            sys.exit(self.in_a_world_of_its_own())
        plan = Plan(
            people=options["people"],
            blows=options["kills"],
            kinds=("kill worker",) if options["seed"] is None else RANDOM_KINDS,
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

    def in_a_world_of_its_own(self) -> int:
        """Run this command again with a folder and ports of its own. The database is given, or SQLite in the folder."""
        port, sandbox_port = free_ports(2)
        with tempfile.TemporaryDirectory(prefix="voiceops-drill-") as folder:
            world = {
                INSIDE: "1",
                "DEBUG": "1",
                "DATA_DIR": folder,
                "PORT": str(port),
                "SANDBOX_PORT": str(sandbox_port),
                "PYTHONUNBUFFERED": "1",
            }
            for name in ("PUBLIC_URL", "LIVEKIT_URL", "TWILIO_BASE_URL"):
                os.environ.pop(name, None)
            command = [sys.executable, *sys.argv]
            return subprocess.run(command, env={**os.environ, **world}, check=False).returncode  # noqa: S603 ourselves

    def report(self, drill: Drill, dials: list[dict[str, Any]]) -> None:
        ledger = read_ledger(drill.batch_id, dials)
        ledger.check()
        self.tell(ledger.table())
        for line in ledger.broken:
            self.tell(f"BROKEN: {line}")
        figures = ledger.figures()
        for name, value in figures.items():
            self.tell(f"figure {name} {value}")
        allowed = IN_REVIEW_AT_MOST * figures["people"]
        if drill.failure or ledger.broken or figures["review"] > allowed:
            raise CommandError(f"A promise is broken (in review: {figures['review']}, at most {allowed:g}).")

    def tell(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()
