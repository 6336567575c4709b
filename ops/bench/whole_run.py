"""One batch through the whole installation on this machine, and what each part of it used."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Max, Min

from ops.bench.absolute_goals import AbsoluteGoal
from ops.bench.api_servers import database_pid
from ops.bench.intake_load import wait_until_applied
from ops.bench.resource_usage import cpu_seconds_of_tree
from ops.demo import workspace
from ops.demo.client import Api
from ops.serving.processes import local_url
from ops.serving.supervisor import Supervisor
from telephony.models import Call, Stage
from voiceops.core.errors import DomainError, Invalid
from voiceops.core.phone_numbers import to_e164

BENCH_PASSWORD = "a long password of the benchmark"  # noqa: S105 of a user that lives for minutes
# More than the machine carries, so that the machine is what is measured.
NUMBER_LIMITS = {"calls_per_second": 1000, "max_concurrent_calls": 2000}
# Of the web server for a call, by the kind of database.
WEB_CPU_GOALS = {
    "postgresql": AbsoluteGoal("CPU of the web server per call", 15, "ms", "at most"),
    "sqlite": AbsoluteGoal("CPU of the web server per call", 25, "ms", "at most"),
}
RUN_STALL_SECONDS = 60.0
RUN_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class WholeRun:
    """What a run measured. CPU is in milliseconds for each call, by the part of the installation.

    The seconds are those from the first dial to the last end of a call.
    """

    calls: int
    seconds: float
    cpu: Mapping[str, float]

    @property
    def calls_per_second(self) -> float:
        return self.calls / self.seconds

    def lines(self) -> list[str]:
        """The table."""
        rows = [f"| {name} | {milliseconds:.1f} |" for name, milliseconds in self.cpu.items()]
        total = f"| all | {sum(self.cpu.values()):.1f} |"
        return ["| part | CPU ms per call |", "|---|---|", *rows, total]


def write_list(file: Path, calls: int) -> None:
    """Write a list of fictitious numbers that the sandbox answers. Raises DomainError."""
    numbers = list(itertools.islice(_answered_numbers(), calls))
    if len(numbers) < calls:
        raise DomainError(f"There are only {len(numbers)} numbers")
    file.write_text("phone,first_name\n" + "".join(f"{number},Ada\n" for number in numbers))


def _answered_numbers() -> Iterator[str]:
    """What the last two digits mean is in `docs/sandbox.md`: those up to 54 answer."""
    for area in range(201, 990):
        # Not every three digits are an area code.
        with suppress(Invalid):
            to_e164(f"+1{area}5550100")
            yield from (f"+1{area}55501{ending:02}" for ending in range(40))


def run_list(supervisor: Supervisor, file: Path, calls: int) -> WholeRun:
    """Call everybody in the list. Raises DomainError when it stands still, CommandError when events
    are left over.
    """
    demo = workspace.prepare_workspace(
        local_url(), email="bench@example.com", password=BENCH_PASSWORD
    )
    demo.api.patch(f"/phone-numbers/{demo.phone_number_id}", NUMBER_LIMITS)
    pids = {running.service.name: running.process.pid for running in supervisor.running}
    if connection.vendor == "postgresql":
        pids["database"] = database_pid()
    before = {name: cpu_seconds_of_tree(pid) for name, pid in pids.items()}
    _run_batch(demo, file, lambda: supervisor.stopping)
    used = {name: cpu_seconds_of_tree(pid) - before[name] for name, pid in pids.items()}
    wait_until_applied()
    made = Call.unscoped.filter(stage=Stage.ENDED, dialed_at__isnull=False)
    if made.count() < calls:
        raise DomainError(f"{made.count()} of {calls} calls were made to their end")
    times = made.aggregate(first=Min("dialed_at"), last=Max("ended_at"))
    count = made.count()
    return WholeRun(
        calls=count,
        seconds=(times["last"] - times["first"]).total_seconds(),
        cpu={name: 1000 * seconds / count for name, seconds in used.items()},
    )


def _run_batch(demo: workspace.DemoWorkspace, file: Path, is_stopping: Callable[[], bool]) -> None:
    """Raises DomainError."""
    fields = {
        "name": "Bench",
        "agent_id": demo.agent_id,
        "phone_number_id": demo.phone_number_id,
        "start": "now",
    }
    batch = demo.api.upload("/batches", file, fields)
    counts: Any = None
    changed_at = time.monotonic()
    while batch["status"] not in ("completed", "stopped", "failed"):
        time.sleep(RUN_POLL_SECONDS)
        batch = _read_progress(demo.api, batch["id"])
        if batch["counts"] != counts:
            counts, changed_at = batch["counts"], time.monotonic()
        if is_stopping() or time.monotonic() - changed_at > RUN_STALL_SECONDS:
            raise DomainError(f"The batch stands still: {counts}, see {settings.DATA_DIR}/logs")
    if batch["status"] != "completed":
        raise DomainError(f"The batch is {batch['status']}")


def _read_progress(api: Api, batch_id: str) -> dict[str, Any]:
    progress = api.get(f"/batches/{batch_id}/progress")
    return {"id": batch_id, **progress}
