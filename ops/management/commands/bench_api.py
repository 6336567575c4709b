import statistics
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

import orjson
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.test import Client

from accounts.auth import api_keys
from accounts.models import ApiKey, Workspace
from accounts.roles import Role
from ops.bench import reading
from ops.bench.cluster import again, given_postgres, is_inside
from ops.new_secrets import new_secrets

SLOWEST = 0.2  # of the bare query's speed: below it a list costs more than it may


class Command(BaseCommand):
    help = (
        "Reads lists of calls through the whole stack (key, workspace, filters, exact total, JSON) beside the bare "
        "query that brings the same rows, in one run. Prints requests per second and their ratio. Uses DATABASE_URL "
        "when it names PostgreSQL, else a server of its own."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--calls", type=int, default=100_000, help="how many rows the workspace has"
        )
        parser.add_argument("--rounds", type=int, default=60, help="how often each is asked")

    def handle(self, **options: Any) -> None:
        if is_inside():
            self.measure(options["calls"], options["rounds"])
        else:
            sys.exit(self.with_a_database())

    def with_a_database(self) -> int:
        quiet = {"ALLOWED_HOSTS": "testserver", "LOG_LEVEL": "WARNING"}
        return again({**new_secrets(), **quiet}, given=given_postgres())

    def measure(self, calls: int, rounds: int) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        workspace = reading.prepare(calls)
        client = reader(workspace)
        bare = milliseconds(lambda: orjson.dumps(reading.bare_page(workspace)), rounds)
        slow = []
        for name, path in reading.paths(workspace).items():
            ask = milliseconds(lambda path=path: expect(client, path), rounds)  # type: ignore[misc]
            ratio = bare / ask
            self.stdout.write(
                f"  {name:28} {1000 / ask:8.0f} requests/s, {ask:6.2f} ms, {ratio:.2f} of the bare query"
            )
            self.stdout.write(f"figure ratio_{name} {ratio:.3f}")
            slow += [name] if ratio < SLOWEST and name in reading.HOT else []
        if slow:
            raise CommandError(f"Slower than {SLOWEST} of the bare query: {', '.join(slow)}")


def reader(workspace: Workspace) -> Client:
    new = api_keys.generate_key()
    ApiKey.unscoped.create(
        workspace=workspace,
        name="Bench",
        role=Role.MEMBER,
        prefix=new.prefix,
        key_hash=new.key_hash,
    )
    return Client(headers={"X-API-Key": new.key, "X-Forwarded-Proto": "https"})


def expect(client: Client, path: str) -> None:
    response = client.get(path)
    if response.status_code != 200:
        raise CommandError(f"{path} answered {response.status_code}: {response.content[:200]!r}")


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    """The median of so many runs, after a few to warm up."""
    for _ in range(3):
        work()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)
