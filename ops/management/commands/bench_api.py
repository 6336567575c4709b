"""`manage.py bench_api`: how much slower is the API than its queries?"""

import statistics
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.test import Client

from accounts.auth import api_keys
from accounts.models import ApiKey, Workspace
from accounts.roles import Role
from ops.bench.api_reading import (
    PROMISED_REQUESTS,
    prepare_calls,
    read_bare_page,
    request_paths,
)
from ops.bench.rerun import given_postgres_url, is_rerun, rerun_isolated
from ops.new_secrets import new_secrets

MIN_RATIO_TO_BARE_QUERY = 0.2
WARM_UP_ROUNDS = 3


class Command(BaseCommand):
    help = (
        "Reads lists of calls through the whole stack (key, workspace, filters, exact total, "
        "JSON), and the same rows with the bare query, in one run. Prints requests per second and "
        "their ratio. Uses DATABASE_URL when it names PostgreSQL, else a server of its own."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--calls", type=int, default=100_000, help="rows in the workspace")
        parser.add_argument("--rounds", type=int, default=60, help="times each request is made")

    def handle(self, **options: Any) -> None:
        if is_rerun():
            self.measure(options["calls"], options["rounds"])
        else:
            environment = {**new_secrets(), "ALLOWED_HOSTS": "testserver", "LOG_LEVEL": "WARNING"}
            sys.exit(rerun_isolated(environment, database_url=given_postgres_url()))

    def measure(self, calls: int, rounds: int) -> None:
        """Print the figures. Raises CommandError when a promised request is too slow."""
        call_command("migrate", verbosity=0, interactive=False)
        workspace = prepare_calls(calls)
        client = make_client(workspace)
        # The bare query serializes too: what is compared is everything around query and JSON.
        bare = median_milliseconds(lambda: orjson.dumps(read_bare_page(workspace)), rounds)
        slow = []
        for name, path in request_paths(workspace).items():
            milliseconds = median_milliseconds(partial(request_page, client, path), rounds)
            ratio = bare / milliseconds
            self.print_request(name, milliseconds, ratio)
            if name in PROMISED_REQUESTS and ratio < MIN_RATIO_TO_BARE_QUERY:
                slow.append(name)
        if slow:
            raise CommandError(
                f"Slower than {MIN_RATIO_TO_BARE_QUERY} of the bare query: {', '.join(slow)}"
            )

    def print_request(self, name: str, milliseconds: float, ratio: float) -> None:
        self.stdout.write(
            f"  {name:28} {1000 / milliseconds:8.0f} requests/s, {milliseconds:6.2f} ms, "
            f"{ratio:.2f} of the bare query"
        )
        self.stdout.write(f"figure ratio_{name} {ratio:.3f}")


def make_client(workspace: Workspace) -> Client:
    """A client with an API key of the workspace."""
    new = api_keys.generate_key()
    ApiKey.unscoped.create(
        workspace=workspace,
        name="Bench",
        role=Role.MEMBER,
        prefix=new.prefix,
        key_hash=new.key_hash,
    )
    return Client(headers={"X-API-Key": new.key, "X-Forwarded-Proto": "https"})


def request_page(client: Client, path: str) -> None:
    """Raises CommandError when the response is not 200."""
    response = client.get(path)
    if response.status_code != 200:
        raise CommandError(f"{path} answered {response.status_code}: {response.content[:200]!r}")


def median_milliseconds(work: Callable[[], object], rounds: int) -> float:
    """The median of `rounds` runs, after a few to warm up."""
    for _ in range(WARM_UP_ROUNDS):
        work()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)
