"""Drills side by side. A world waits most of its time, so a machine carries more of them than it
has cores.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from ops.drill.matrix import Fault
from ops.drill.servers import servers
from ops.serving.ports import free_ports

INSIDE = "VOICEOPS_DRILL"
AT_ONCE = 2 * (os.cpu_count() or 1)
QUICK = {"SANDBOX_SPEED": "40", "SWEEP_SECONDS": "1"}  # so that a fence takes 18 s
FIGURE = re.compile(r"figure (\S+) (\S+)")
VERDICT = re.compile(r"F(\d+) +(ok|BROKEN) ")


@dataclass
class Order:
    """One drill in a world of its own: a folder, ports, a database."""

    name: str  # '' for one that is alone
    arguments: Sequence[str]
    settings: Mapping[str, str] = field(default_factory=dict)
    on_servers: bool = False
    said: list[str] = field(default_factory=list)
    code: int = 0
    seconds: float = 0.0

    @property
    def prefix(self) -> str:
        return f"{self.name:8} " if self.name else ""


def for_faults(faults: Iterable[Fault]) -> list[Order]:
    """A world for each kind of world that the faults need."""
    by_world: dict[str, list[Fault]] = {}
    for fault in faults:
        by_world.setdefault(fault.world, []).append(fault)
    return [
        Order(
            name=world,
            arguments=("--fault", ",".join(fault.name for fault in those), "--world", world),
            settings={
                **QUICK,
                "VO_FAIL": ",".join(fault.failpoint for fault in those if fault.failpoint),
            },
            on_servers=world == "servers",
        )
        for world, those in by_world.items()
    ]


def for_seeds(seeds: Iterable[int], *more: str) -> list[Order]:
    return [Order(f"seed{seed}", ("--seed", str(seed), *more), QUICK) for seed in seeds]


def carry_out(
    orders: Sequence[Order], tell: Callable[[str], None], *, at_once: int = AT_ONCE
) -> bool:
    """Run them, tell what they say as it comes and a line for each fault at the end; whether all
    went well.
    """
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda order: run(order, tell), orders))
    tell("")
    for line in sorted((line for order in orders for line in verdicts(order)), key=number_of):
        tell(line)
    for order in orders:
        tell(f"{order.name:8} {'broken' if order.code else 'ok':6} {order.seconds:6.1f} s")
        for name, value in figures(order):
            tell(f"figure {order.name}_{name} {value}")
    return not any(order.code for order in orders)


def run(order: Order, tell: Callable[[str], None]) -> None:
    began = time.monotonic()
    with ExitStack() as stack:
        world = {**environment(), **order.settings}
        if order.on_servers:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="voiceops-servers-"))
            world |= stack.enter_context(servers(Path(folder))).environment
        command = [sys.executable, sys.argv[0], "drill", *order.arguments]
        process = subprocess.Popen(  # noqa: S603 ourselves
            command,
            env={**os.environ, **world},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            order.said.append(line.rstrip())
            if not (order.name and FIGURE.match(line)):
                tell(order.prefix + line.rstrip())
        order.code = process.wait()
    order.seconds = time.monotonic() - began
    if order.code:
        tell(f"{order.prefix}What its processes said is in {world['DATA_DIR']}/logs")
    else:
        shutil.rmtree(world["DATA_DIR"], ignore_errors=True)


def environment() -> dict[str, str]:
    """A folder and ports of their own. The database is given, or SQLite in the folder."""
    port, sandbox_port = free_ports(2)
    return {
        INSIDE: "1",
        "DEBUG": "1",
        "DATA_DIR": tempfile.mkdtemp(
            prefix="voiceops-drill-"
        ),  # stays for whoever wants to know why it failed
        "PORT": str(port),
        "SANDBOX_PORT": str(sandbox_port),
        "PYTHONUNBUFFERED": "1",
    }


def figures(order: Order) -> list[tuple[str, str]]:
    return [(found[1], found[2]) for line in order.said if (found := FIGURE.fullmatch(line))]


def verdicts(order: Order) -> list[str]:
    """The last word on each fault."""
    last = {found[1]: line for line in order.said if (found := VERDICT.match(line))}
    return list(last.values())


def number_of(line: str) -> int:
    found = VERDICT.match(line)
    return int(found[1]) if found else 0
