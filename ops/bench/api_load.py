"""Load on one server, made by wrk, and what it cost."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.core.management import CommandError

from ops.bench.api_requests import ApiRequest
from ops.bench.api_servers import Server
from ops.bench.resource_usage import cpu_seconds_of_tree

CONNECTIONS = 16
WARM_UP_SECONDS = 1
SCRIPT = Path(__file__).with_name("send_requests.lua")
FIGURES = re.compile(r"^figures (\d+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Load:
    """One run of wrk. CPU is in milliseconds for each request, latency in milliseconds."""

    requests_per_second: float
    p50: float
    p99: float
    app_cpu: float
    database_cpu: float


def require_wrk() -> None:
    """Raises CommandError when wrk is not installed."""
    if shutil.which("wrk") is None:
        raise CommandError("wrk is not installed. Fix it with: sudo apt-get install wrk")


def measure_load(
    server: Server, database: int, requests: Sequence[ApiRequest], token: str, seconds: int
) -> Load:
    """Send the requests in turn, over and over, on 16 connections.

    Raises CommandError when an answer is not 2xx, or when there is none.
    """
    # A busy machine may answer nothing in so short a time, which does not matter here.
    _run_wrk(server, requests, token, WARM_UP_SECONDS)
    app_before, database_before = cpu_seconds_of_tree(server.pid), cpu_seconds_of_tree(database)
    count, microseconds, p50, p99 = _run_wrk(server, requests, token, seconds)
    if not count:
        raise CommandError(
            f"{requests[0].path} was not answered within {seconds} s at {server.url}"
        )
    app, of_database = cpu_seconds_of_tree(server.pid), cpu_seconds_of_tree(database)
    return Load(
        requests_per_second=count / microseconds * 1e6,
        p50=p50 / 1000,
        p99=p99 / 1000,
        app_cpu=_milliseconds_each(app - app_before, count),
        database_cpu=_milliseconds_each(of_database - database_before, count),
    )


def _milliseconds_each(seconds: float, count: int) -> float:
    # The time of a process that ends between two readings may be missing from the second.
    return 1000 * max(0.0, seconds) / count


def _run_wrk(
    server: Server, requests: Sequence[ApiRequest], token: str, seconds: int
) -> tuple[int, int, int, int]:
    """Return how many requests were answered, in how many microseconds, p50 and p99 of them.

    Raises CommandError.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".requests") as file:
        file.writelines(f"{each.method}\t{each.path}\t{each.body}\n" for each in requests)
        file.flush()
        options = (
            "-t1",
            f"-c{CONNECTIONS}",
            f"-d{seconds}s",
            "--timeout",
            "10s",
            "-s",
            str(SCRIPT),
        )
        done = subprocess.run(  # noqa: S603 a fixed program with our own arguments
            ["wrk", *options, server.url, "--", file.name, token],  # noqa: S607 on the PATH
            capture_output=True,
            check=False,
            text=True,
        )
    found = FIGURES.search(done.stdout)
    if found is None:
        raise CommandError(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    count, microseconds, p50, p99, errors = map(int, found.groups())
    if errors:
        target = f"{requests[0].method} {server.url}{requests[0].path}"
        raise CommandError(f"{errors} of {count} requests were not answered 2xx: {target}")
    return count, microseconds, p50, p99
