"""The two servers of the API benchmark, on one database: ours and the peer."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from django.conf import settings
from django.core.management import CommandError
from django.db import connection, connections

from ops.bench.resource_usage import parent_of
from ops.serving.ports import free_ports
from ops.serving.processes import HOST, accepts_connections
from ops.serving.supervisor import Service, Supervisor

PROCESSES = 2  # of each server
PEER_APP = "benchmarks.peer_fastapi.app:app"
PEER_PYTHON = Path(settings.BASE_DIR) / "benchmarks/peer_fastapi/.venv/bin/python"
OURS, PEER = "ours", "peer"
SIDES = (OURS, PEER)


@dataclass(frozen=True)
class Server:
    """One of the two. `pid` leads all its processes."""

    url: str
    pid: int


@contextmanager
def running_servers() -> Iterator[dict[str, Server]]:
    """Both servers by side, started and ready; stopped when the block ends.

    Raises CommandError when the peer is not installed, StartError when one does not start.
    """
    if not PEER_PYTHON.exists():
        raise CommandError("The peer is not installed; `make bench-api` installs it")
    ports = dict(zip(SIDES, free_ports(len(SIDES)), strict=True))
    commands = {OURS: _our_command(ports[OURS]), PEER: _peer_command(ports[PEER])}
    # Children must not share connections that were opened before they were started.
    connections.close_all()
    services = [_service(side, commands[side], ports[side]) for side in SIDES]
    with Supervisor(services, report=print) as supervisor:
        supervisor.start()
        pids = [running.process.pid for running in supervisor.running]
        yield {
            side: Server(f"http://{HOST}:{ports[side]}", pid)
            for side, pid in zip(SIDES, pids, strict=True)
        }


def database_pid() -> int:
    """The process that leads all of PostgreSQL's on this machine."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [backend] = cursor.fetchone()
    return parent_of(backend)


def _our_command(port: int) -> tuple[str, ...]:
    gunicorn = (sys.executable, "-m", "gunicorn", "-c", "python:ops.gunicorn_conf")
    processes = ("--workers", str(PROCESSES))
    return (*gunicorn, *processes, "--bind", f"{HOST}:{port}", "voiceops.wsgi")


def _peer_command(port: int) -> tuple[str, ...]:
    uvicorn = (str(PEER_PYTHON), "-m", "uvicorn", PEER_APP, "--workers", str(PROCESSES))
    return (*uvicorn, "--host", HOST, "--port", str(port))


def _service(side: str, command: tuple[str, ...], port: int) -> Service:
    return Service(
        side,
        command,
        Path(settings.DATA_DIR) / "logs" / f"{side}.log",
        cwd=Path(settings.BASE_DIR),
        ready=partial(accepts_connections, port),
    )
