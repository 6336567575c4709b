"""`manage.py bench_pace`: are limits kept exactly, and do small lists start beside large ones?"""

import asyncio
import json
import sys
import time
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from ops.bench import pacing
from ops.bench.child_processes import BenchmarkParts, rerun_with_livekit
from ops.bench.import_shares import measure_import_wait
from ops.bench.livekit_stub import LiveKitStub, serve_until_stdin_closes
from ops.bench.rerun import is_rerun
from ops.bench.worker import run_until_done
from voiceops.core.errors import DomainError

PACE_PARTS = BenchmarkParts("bench_pace")
STUB_ANSWER_SECONDS = 0.1
TALK_SECONDS = 1.0
PACE_WARM_UP_SECONDS = 15.0  # from the first call until every worker is dialing
FIRST_CALL_SECONDS = 60.0
LIST_INTERVAL_SECONDS = 3.0
LAST_LIST_SECONDS = 12.0
PACE_PROMISES = {
    "pace_used": 0.95,
    "start_beside_a_million_seconds": 10.0,
    "import_beside_ten_millions_seconds": 10.0,
}


class Command(BaseCommand):
    help = (
        "Calls a list of a million from a number with a limit of calls per second, and another "
        "list from a number with few channels, with several workers, while lists of ten are "
        "started on the same number and on another workspace's; before that, reads lists of ten "
        "beside ten lists of a million of another workspace. Prints how exactly the limits were "
        "kept and how long the small lists waited, and exits 1 when a promise is broken. "
        "Uses DATABASE_URL when it names PostgreSQL, else a server of its own."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--people", type=int, default=1_000_000, help="recipients on the paced number"
        )
        parser.add_argument("--rate", type=float, default=20.0, help="its calls per second")
        parser.add_argument(
            "--channels", type=int, default=40, help="concurrent calls of the other number"
        )
        parser.add_argument("--workers", type=int, default=4, help="worker processes")
        parser.add_argument(
            "--lists",
            type=int,
            default=10,
            help="lists of ten, alternately on the paced number and on another workspace's",
        )
        parser.add_argument(
            "--list-rows",
            type=int,
            default=1_000_000,
            help="rows of each of the ten lists that another workspace uploads; 0 to leave it out",
        )
        parser.add_argument(
            "--part", choices=["worker", "server"], help="for the benchmark's own use"
        )

    def handle(self, **options: Any) -> None:
        if options["part"] == "worker":
            run_until_done()
        elif options["part"] == "server":
            asyncio.run(self.run_server())
        elif is_rerun():
            try:
                self.measure(options)
            except DomainError as error:
                raise CommandError(str(error)) from error
        else:
            sys.exit(rerun_with_livekit())

    async def run_server(self) -> None:
        stub = LiveKitStub(answer_seconds=STUB_ANSWER_SECONDS, talk_seconds=TALK_SECONDS)
        await serve_until_stdin_closes(stub)
        print(json.dumps({"max_concurrent": stub.max_concurrent, "dials": stub.dials}))

    # --- measuring ---

    def measure(self, options: dict[str, Any]) -> None:
        connection.close()
        call_command("migrate", verbosity=0, interactive=False)
        import_wait = None
        if options["list_rows"]:
            self.stdout.write(f"  reading ten lists of {options['list_rows']} beside lists of ten")
            import_wait = measure_import_wait(options["list_rows"])
        self.stdout.write(f"  putting {options['people']} recipients on the list")
        scene = pacing.prepare_pacing(
            options["people"], rate=options["rate"], channels=options["channels"]
        )
        with PACE_PARTS.running_server() as server:
            workers = [PACE_PARTS.start("worker") for _ in range(options["workers"])]
            try:
                lists = self.start_small_lists(scene, options["lists"])
            finally:
                for worker in workers:
                    worker.kill()
                    worker.communicate()
        figures = self.figures(scene, lists, server, options)
        if import_wait is not None:
            figures["import_beside_ten_millions_seconds"] = round(import_wait, 2)
        self.report(figures)

    def start_small_lists(self, scene: pacing.PacingScene, count: int) -> list[UUID]:
        """Start lists of ten at intervals, and wait for the last; returns their ids."""
        self.wait_for_first_call(scene)
        time.sleep(PACE_WARM_UP_SECONDS)
        ids = []
        for index in range(count):
            number = scene.elsewhere if index % 2 else scene.paced
            ids.append(pacing.start_small_list(number))
            is_last = index + 1 == count
            self.stdout.write(f"  list {index + 1} of {count}", ending="\n" if is_last else "\r")
            self.stdout.flush()
            time.sleep(LIST_INTERVAL_SECONDS)
        time.sleep(LAST_LIST_SECONDS)
        return ids

    def wait_for_first_call(self, scene: pacing.PacingScene) -> None:
        """Raises CommandError when nobody is called in time."""
        deadline = time.monotonic() + FIRST_CALL_SECONDS
        while not pacing.sent_times(scene.paced):
            if time.monotonic() > deadline:
                raise CommandError(f"Nobody was called within {FIRST_CALL_SECONDS:.0f} s")
            time.sleep(0.2)

    # --- reporting ---

    def figures(
        self,
        scene: pacing.PacingScene,
        lists: list[UUID],
        server: dict[str, Any],
        options: dict[str, Any],
    ) -> dict[str, float]:
        rate = options["rate"]
        sent = pacing.sent_times(scene.paced)
        paced_number = scene.paced.phone_number
        arrived = sorted(at for at, caller_id in server["dials"] if caller_id == paced_number)
        waits = [pacing.wait_seconds(batch_id) for batch_id in lists]
        share_used = pacing.share_used(sent, rate, after=PACE_WARM_UP_SECONDS)
        return {
            "limit_per_second": rate,
            "sent_in_fullest_second": pacing.fullest_second(sent),
            "arrived_in_fullest_second": pacing.fullest_second(arrived),
            "pace_used": round(share_used, 3),
            "channels": options["channels"],
            "most_at_once": server["max_concurrent"].get(scene.narrow.phone_number, 0),
            "start_beside_a_million_seconds": round(max(first for first, _ in waits), 2),
            "all_called_beside_a_million_seconds": round(max(last for _, last in waits), 2),
        }

    def report(self, figures: dict[str, float]) -> None:
        """Print the figures. Raises CommandError when a limit or a promise was broken."""
        for name, value in figures.items():
            self.stdout.write(f"figure {name} {value}")
        waits = ("start_beside_a_million_seconds", "import_beside_ten_millions_seconds")
        kept = (
            figures["sent_in_fullest_second"] <= figures["limit_per_second"]
            and figures["pace_used"] >= PACE_PROMISES["pace_used"]
            and 0 < figures["most_at_once"] <= figures["channels"]
            and all(figures.get(wait, 0.0) <= PACE_PROMISES[wait] for wait in waits)
        )
        if not kept:
            raise CommandError(f"A promise is broken: no limit is exceeded, and {PACE_PROMISES}")
