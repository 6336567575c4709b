"""One run of the intake benchmark: events sent to one server, and the state they end in."""

import resource
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management import CommandError

from ops.bench.api_load import CONNECTIONS, FIGURES
from ops.bench.api_servers import Server
from ops.bench.intake_events import Post
from ops.bench.resource_usage import cpu_seconds_of_tree
from telephony.models import Call, CallEvent, InboxEvent, Turn

MAX_SENDING_SECONDS = 300
APPLY_WAIT_SECONDS = 30.0
SEND_EVENTS_SCRIPT = Path(__file__).with_name("send_events.lua")
COMPARED_COLUMNS = ("stage", "outcome", "end_reason", "hung_up_by", "detected")
COMPARED_TIMES = (
    *("callee_joined_at", "dialed_at", "ringing_at", "answered_at", "ended_at"),
    *("agent_joined_at", "agent_seen_at", "agent_heard_at"),
)


@dataclass(frozen=True)
class IntakeRun:
    """What one run measured. CPU is in milliseconds for each event, latency in milliseconds.

    The time ends when the last event is applied, not when it is answered.
    """

    events: int
    seconds: float
    p50: float
    p99: float
    app_cpu: float
    worker_cpu: float
    database_cpu: float
    wrk_cpu: float  # of the load itself, which runs on the same cores

    @property
    def events_per_second(self) -> float:
        return self.events / self.seconds


def send_events(
    server: Server, posts: Sequence[Post], *, worker: int | None, database: int
) -> IntakeRun:
    """Send each event once, on 16 connections, and wait until all are applied.

    `worker` is the process that applies what the server has stored; None for a server that applies
    by itself. Raises CommandError.
    """
    pids = (server.pid, worker, database)
    before = [cpu_seconds_of_tree(pid) if pid else 0.0 for pid in pids]
    seconds, p50, p99, wrk_seconds = _run_wrk(server, posts)
    answered_at = time.monotonic()
    wait_until_applied()
    seconds += time.monotonic() - answered_at
    spent = [
        1000 * (cpu_seconds_of_tree(pid) - was) / len(posts) if pid else 0.0
        for pid, was in zip(pids, before, strict=True)
    ]
    spent.append(1000 * wrk_seconds / len(posts))
    return IntakeRun(len(posts), seconds, p50 / 1000, p99 / 1000, *spent)


def _run_wrk(server: Server, posts: Sequence[Post]) -> tuple[float, int, int, float]:
    """Return how many seconds all answers took, p50 and p99 in microseconds, and wrk's own seconds
    of CPU.

    Raises CommandError.
    """
    with tempfile.NamedTemporaryFile("wb", suffix=".events") as file:
        file.writelines(post.line() for post in posts)
        file.flush()
        options = ("-t1", f"-c{CONNECTIONS}", f"-d{MAX_SENDING_SECONDS}s", "--timeout", "20s")
        wrk = subprocess.Popen(  # noqa: S603 a fixed program with our own arguments
            ["wrk", *options, "-s", str(SEND_EVENTS_SCRIPT), server.url, "--", file.name],  # noqa: S607 on the PATH
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        cpu_before = _cpu_seconds_of_ended_children()
        times, output = {}, ""
        for line in wrk.stdout or ():
            output += line
            times[line.strip()] = time.monotonic()
            if line.strip() == "answered":
                wrk.send_signal(signal.SIGINT)
        wrk.wait()
    found = FIGURES.search(output)
    if found is None or not {"sending", "answered"} <= times.keys():
        raise CommandError(f"wrk failed: {output.strip()}")
    _, _, p50, p99, errors = map(int, found.groups())
    if errors:
        raise CommandError(f"{errors} of {len(posts)} events were not answered at {server.url}")
    wrk_seconds = _cpu_seconds_of_ended_children() - cpu_before
    return times["answered"] - times["sending"], p50, p99, wrk_seconds


def _cpu_seconds_of_ended_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def wait_until_applied() -> None:
    """Wait until every stored event is applied. Raises CommandError when some are left."""
    deadline = time.monotonic() + APPLY_WAIT_SECONDS
    while InboxEvent.objects.filter(applied_at=None).exists():
        if time.monotonic() > deadline:
            raise CommandError(f"Events are not applied after {APPLY_WAIT_SECONDS:.0f} s")
        time.sleep(0.01)


def state_of(calls: Sequence[Call]) -> list[Any]:
    """What the events have made of each call, in the order of the calls, without times and ids."""
    ids, rooms = [call.pk for call in calls], {call.room: call.pk for call in calls}
    found: dict[Any, list[Any]] = {pk: [] for pk in ids}
    for call in Call.unscoped.filter(pk__in=ids):
        found[call.pk] += [getattr(call, name) for name in COMPARED_COLUMNS]
        found[call.pk] += [name for name in COMPARED_TIMES if getattr(call, name) is not None]
    kinds = Counter(CallEvent.unscoped.filter(call__in=ids).values_list("call_id", "type"))
    turns = Counter(Turn.unscoped.filter(call__in=ids).values_list("call_id", "role"))
    stored = InboxEvent.objects.filter(room__in=rooms).values_list("room", "event")
    inbox = Counter((rooms[room], event) for room, event in stored)
    for counted in (kinds, turns, inbox):
        for (pk, name), count in sorted(counted.items(), key=lambda item: (str(item[0]), item[1])):
            found[pk].append((name, count))
    return [found[pk] for pk in ids]
