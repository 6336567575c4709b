"""Runs drills side by side, each in a world of its own. A drill waits most of its time, so a
machine carries more of them than it has cores.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from ops.drill.matrix import WORLDS, Fault, WorldName
from ops.drill.servers import running_servers
from ops.serving.ports import free_ports

Report = Callable[[str], None]

INSIDE_DRILL_VARIABLE = "VOICEOPS_DRILL"
MAX_PARALLEL_RUNS = 2 * (os.cpu_count() or 1)
# At this speed of the simulation the dial fence takes 18 s.
FAST_SETTINGS = {"SANDBOX_SPEED": "40", "SWEEP_SECONDS": "1"}
SEED_SECONDS = 90
DATABASE_NAME = "voiceops.sqlite3"
FIGURE_LINE = re.compile(r"figure (\S+) (\S+)")
FAULT_LINE = re.compile(r"F(\d+) +(ok|BROKEN) ")


@dataclass
class DrillRun:
    """One call of a command, with a folder, ports and a database of its own."""

    name: str  # empty for a run that is alone
    arguments: Sequence[str]
    settings: Mapping[str, str] = field(default_factory=dict)
    needs_servers: bool = False
    expected_seconds: int = 0
    output: list[str] = field(default_factory=list)
    exit_code: int = 0
    seconds: float = 0.0
    command: str = "drill"

    @property
    def prefix(self) -> str:
        return f"{self.name:8} " if self.name else ""


def runs_for_faults(faults: Iterable[Fault]) -> list[DrillRun]:
    """One run for each world that the faults need."""
    by_world: dict[WorldName, list[Fault]] = {}
    for fault in faults:
        by_world.setdefault(fault.world, []).append(fault)

    runs = []
    # Failpoints are read by every process of a world, so its faults share one variable.
    for world, its_faults in by_world.items():
        names = ",".join(fault.name for fault in its_faults)
        failpoints = ",".join(fault.failpoint for fault in its_faults if fault.failpoint)
        run = DrillRun(
            name=world,
            arguments=("--fault", names, "--world", world),
            settings={**FAST_SETTINGS, **WORLDS[world].settings, "VO_FAIL": failpoints},
            needs_servers=world == "servers",
            expected_seconds=WORLDS[world].seconds,
        )
        runs.append(run)
    return runs


def runs_for_seeds(seeds: Iterable[int], *arguments: str) -> list[DrillRun]:
    return [
        DrillRun(
            f"seed{seed}",
            ("--seed", str(seed), *arguments),
            FAST_SETTINGS,
            expected_seconds=SEED_SECONDS,
        )
        for seed in seeds
    ]


def run_all(
    runs: Sequence[DrillRun],
    report: Report,
    *,
    max_parallel: int = MAX_PARALLEL_RUNS,
    max_review_share: float | None = None,
) -> bool:
    """Run drills in parallel, the longest first. Reports their lines as they come, and at the end
    one line for each fault; returns whether nothing is broken.

    With `max_review_share`, no more of all people may be in review (`keeps_review_share`).
    """
    longest_first = sorted(runs, key=lambda run: -run.expected_seconds)
    with prepared_database() as database, ThreadPoolExecutor(max_parallel) as pool:
        list(pool.map(lambda run: run_one(run, report, database=database), longest_first))
    report_results(runs, report)
    return not any(run.exit_code for run in runs) and keeps_review_share(
        runs, max_review_share, report
    )


@contextmanager
def prepared_database() -> Iterator[Path]:
    """An empty SQLite database with all tables, which each world copies: migrating takes longer."""
    environment = {**os.environ, **isolated_environment()}
    environment.pop("DATABASE_URL", None)
    folder = Path(environment["DATA_DIR"])
    try:
        subprocess.run(  # noqa: S603 ourselves
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "migrate", "--verbosity", "0"],
            env=environment,
            check=True,
        )
        yield folder / DATABASE_NAME
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def keeps_review_share(
    runs: Sequence[DrillRun], max_review_share: float | None, report: Report
) -> bool:
    """Report whether too many people are in review, of all runs together."""
    recipients, review = (sum_of(runs, name) for name in ("people", "review"))
    if max_review_share is None or review <= max_review_share * recipients:
        return True
    report(f"BROKEN: {review} of {recipients} people are in review, {max_review_share:.0%} allowed")
    return False


def report_results(runs: Sequence[DrillRun], report: Report) -> None:
    report("")
    lines = [line for run in runs for line in fault_lines(run)]
    for line in sorted(lines, key=fault_number):
        report(line)
    for run in runs:
        verdict = "broken" if run.exit_code else "ok"
        report(f"{run.name:8} {verdict:6} {run.seconds:6.1f} s")
        for name, value in figures_of(run):
            report(f"figure {run.name}_{name} {value}")
    recipients, review = (sum_of(runs, name) for name in ("people", "review"))
    report(f"figure all_people {recipients}")
    report(f"figure all_review {review}")
    report(f"figure all_review_share {review / max(recipients, 1):.4f}")


def run_one(run: DrillRun, report: Report, *, database: Path | None = None) -> None:
    """Run a drill to its end, in a process of its own, with a copy of this SQLite database."""
    began = time.monotonic()
    with ExitStack() as stack:
        environment = {**isolated_environment(), **run.settings}
        if run.needs_servers:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="voiceops-servers-"))
            environment |= stack.enter_context(running_servers(Path(folder))).environment
        elif database is not None:
            shutil.copy(database, environment["DATA_DIR"])
        run_process(run, environment, report)
    run.seconds = time.monotonic() - began

    # The folder of a failed run stays, so that its logs can be read.
    if run.exit_code:
        report(f"{run.prefix}The logs of its processes are in {environment['DATA_DIR']}/logs")
    else:
        shutil.rmtree(environment["DATA_DIR"], ignore_errors=True)


def run_process(run: DrillRun, environment: Mapping[str, str], report: Report) -> None:
    """Run the command, and report its lines as they come."""
    process = subprocess.Popen(  # noqa: S603 ourselves
        [sys.executable, sys.argv[0], run.command, *run.arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        run.output.append(line.rstrip())
        # Figures of a named run are reported at the end, under its name.
        if not (run.name and FIGURE_LINE.match(line)):
            report(run.prefix + line.rstrip())
    run.exit_code = process.wait()


def isolated_environment() -> dict[str, str]:
    """Variables for a folder and ports of its own. The database is DATABASE_URL's, or SQLite in the
    folder.
    """
    port, sandbox_port = free_ports(2)
    return {
        INSIDE_DRILL_VARIABLE: "1",
        "DEBUG": "1",
        "DATA_DIR": tempfile.mkdtemp(prefix="voiceops-drill-"),
        "PORT": str(port),
        "SANDBOX_PORT": str(sandbox_port),
        "PYTHONUNBUFFERED": "1",
    }


def figures_of(run: DrillRun) -> list[tuple[str, str]]:
    matches = [FIGURE_LINE.fullmatch(line) for line in run.output]
    return [(match[1], match[2]) for match in matches if match]


def sum_of(runs: Iterable[DrillRun], figure: str) -> int:
    """The sum of a figure over all runs that report it."""
    return sum(int(value) for run in runs for name, value in figures_of(run) if name == figure)


def fault_lines(run: DrillRun) -> list[str]:
    """The last line that the run printed about each fault."""
    last: dict[str, str] = {}
    for line in run.output:
        if match := FAULT_LINE.match(line):
            last[match[1]] = line
    return list(last.values())


def fault_number(line: str) -> int:
    match = FAULT_LINE.match(line)
    return int(match[1]) if match else 0
