import asyncio
import json
import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from ops.bench import pacing
from ops.bench.cluster import is_inside
from ops.bench.loopback import Loopback, serve_until_told
from ops.bench.parts import Parts, again_with_livekit
from ops.bench.worker import work
from voiceops.core.errors import DomainError

PARTS = Parts("bench_pace")
ANSWER_SECONDS, TALK_SECONDS = 0.1, 1.0
WARM_UP = 15.0  # seconds from the first call until all workers have their shifts
PATIENCE = 60.0  # seconds for the first call
EVERY = 3.0  # seconds between lists of ten
HEAR_OUT = 12.0  # seconds for the last list
PROMISES = {"pace_used": 0.95, "start_beside_a_million_seconds": 10.0}


class Command(BaseCommand):
    help = (
        "Calls a crowd of a million from a number with a limit of calls per second, and another from one with few "
        "channels, with several workers, while lists of ten come on the same number and on somebody else's. Prints how "
        "exactly the limits were kept and how long the small lists waited, and exits 1 when a promise is broken. Uses "
        "DATABASE_URL when it names PostgreSQL, else a server of its own."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--people", type=int, default=1_000_000, help="how many wait on the paced number"
        )
        parser.add_argument("--rate", type=float, default=20.0, help="its calls per second")
        parser.add_argument(
            "--channels", type=int, default=40, help="calls at once on the other number"
        )
        parser.add_argument("--workers", type=int, default=4, help="worker processes")
        parser.add_argument(
            "--lists",
            type=int,
            default=10,
            help="lists of ten, on one number and the other in turn",
        )
        parser.add_argument(
            "--part", choices=["worker", "server"], help="for the benchmark's own use"
        )

    def handle(self, **options: Any) -> None:
        if options["part"] == "worker":
            work()
        elif options["part"] == "server":
            asyncio.run(self.server())
        elif is_inside():
            try:
                self.measure(options)
            except DomainError as error:
                raise CommandError(str(error)) from error
        else:
            sys.exit(again_with_livekit())

    async def server(self) -> None:
        loopback = Loopback(answer_seconds=ANSWER_SECONDS, talk_seconds=TALK_SECONDS)
        await serve_until_told(loopback)
        print(json.dumps({"most_up": loopback.most_up, "dials": loopback.dials}))

    # --- the measuring ---

    def measure(self, options: dict[str, Any]) -> None:
        connection.close()
        call_command("migrate", verbosity=0, interactive=False)
        self.stdout.write(f"  putting {options['people']} people on the list")
        scene = pacing.prepare(
            options["people"], rate=options["rate"], channels=options["channels"]
        )
        with PARTS.server() as server:
            workers = [PARTS.start("worker") for _ in range(options["workers"])]
            try:
                lists = self.lists(scene, options["lists"])
            finally:
                for worker in workers:
                    worker.kill()
                    worker.communicate()
        self.tell(scene, lists, server, options)

    def lists(self, scene: pacing.Scene, count: int) -> list[Any]:
        """Let lists of ten come; their ids."""
        deadline = time.monotonic() + PATIENCE
        while not pacing.sent(scene.paced):
            if time.monotonic() > deadline:
                raise CommandError(f"Nobody was called within {PATIENCE:.0f} s")
            time.sleep(0.2)
        time.sleep(WARM_UP)
        ids = []
        for index in range(count):
            ids.append(pacing.small_list((scene.paced, scene.elsewhere)[index % 2]))
            self.stdout.write(
                f"  list {index + 1} of {count}", ending="\n" if index + 1 == count else "\r"
            )
            self.stdout.flush()
            time.sleep(EVERY)
        time.sleep(HEAR_OUT)
        return ids

    # --- the telling ---

    def tell(
        self, scene: pacing.Scene, lists: list[Any], server: dict[str, Any], options: dict[str, Any]
    ) -> None:
        rate, channels = options["rate"], options["channels"]
        times = pacing.sent(scene.paced)
        arrived = sorted(at for at, caller in server["dials"] if caller == scene.paced.phone_number)
        waits = [pacing.waited(one) for one in lists]
        figures = {
            "limit_per_second": rate,
            "sent_in_fullest_second": pacing.fullest_second(times),
            "arrived_in_fullest_second": pacing.fullest_second(arrived),
            "pace_used": round(pacing.share_used(times, rate, after=WARM_UP), 3),
            "channels": channels,
            "most_at_once": server["most_up"].get(scene.narrow.phone_number, 0),
            "start_beside_a_million_seconds": round(max(first for first, _ in waits), 2),
            "all_called_beside_a_million_seconds": round(max(last for _, last in waits), 2),
        }
        for name, value in figures.items():
            self.stdout.write(f"figure {name} {value}")
        kept = (
            figures["sent_in_fullest_second"] <= rate
            and figures["pace_used"] >= PROMISES["pace_used"]
            and 0 < figures["most_at_once"] <= channels
            and figures["start_beside_a_million_seconds"]
            <= PROMISES["start_beside_a_million_seconds"]
        )
        if not kept:
            raise CommandError(f"A promise is broken: no limit is passed, and {PROMISES}")
