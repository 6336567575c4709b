"""The processes of an installation on one machine: sandbox, web server and workers."""

import http.client
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connections

from ops.serving.supervisor import Service, Supervisor
from voiceops.core.errors import DomainError

HOST = "127.0.0.1"
WORKER_THREADS = 8
WORKER_STOP_SECONDS = 5.0
WEB_STOP_SECONDS = 3.0
WEB_NICENESS = 5  # a call that is due does not wait for requests
LISTEN_BACKLOG = 2048
READY_TIMEOUT_SECONDS = 1


class PortUnavailableError(DomainError):
    """The message names the port, and the variable that chooses another."""


def local_url() -> str:
    return f"http://{HOST}:{settings.PORT}"


@contextmanager
def listening_socket(port: int, *, variable: str) -> Iterator[socket.socket]:
    """A listening socket for the web server to inherit.

    While the server restarts, clients then wait in the backlog instead of being refused. Raises
    PortUnavailableError.
    """
    try:
        listener = socket.create_server((HOST, port), backlog=LISTEN_BACKLOG)
    except (OSError, OverflowError) as error:
        reason = (
            os.strerror(error.errno or 0) if isinstance(error, OSError) else "ports go to 65535"
        )
        raise PortUnavailableError(
            f"Port {port} cannot be used ({reason}). Set {variable} to a free one."
        ) from error
    with closing(listener):
        yield listener


@contextmanager
def running_services(
    *, report: Callable[[str], None], workers: int = 1, plays_agent: bool = True
) -> Iterator[Supervisor]:
    """All processes of this machine, started and ready; stopped when the block ends.

    Raises PortUnavailableError, StartError, and OperationalError when there is no database.
    """
    with listening_socket(settings.PORT, variable="PORT") as listener:
        report("Preparing the database")
        call_command("migrate", interactive=False, verbosity=0)
        # Children must not share connections that were opened before they were started.
        connections.close_all()
        with Supervisor(
            build_services(listener, workers, plays_agent=plays_agent), report=report
        ) as supervisor:
            report(f"Starting {', '.join(service.name for service in supervisor.services)}")
            supervisor.start()
            yield supervisor
            report("Stopping")


def build_services(
    listener: socket.socket, workers: int, *, plays_agent: bool = True
) -> list[Service]:
    """The services in starting order; without `plays_agent`, calls wait for a voice worker.

    Raises PortUnavailableError when the port of the sandbox is in use.
    """
    sandbox = [_sandbox(plays_agent=plays_agent)] if settings.USES_SANDBOX else []
    return [*sandbox, _web(listener), *(_worker(index) for index in range(workers))]


def worker_command(name: str) -> tuple[str, ...]:
    """The command line of a Celery worker called `name`."""
    celery = (sys.executable, "-m", "celery", "-A", "voiceops", "worker", "-n", f"{name}@%h")
    pool = ("--pool", "threads", "--concurrency", str(WORKER_THREADS))
    flags = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")
    return (*celery, *pool, *flags)


def _sandbox(*, plays_agent: bool) -> Service:
    port = settings.SANDBOX_PORT
    with listening_socket(port, variable="SANDBOX_PORT"):
        pass  # The port is free; the sandbox opens it itself.
    command = (sys.executable, "manage.py", "sandbox", "--port", str(port))
    return Service(
        "sandbox",
        (
            *command,
            "--webhook-exclude",
            "track_published",
            *(() if plays_agent else ("--no-agent",)),
        ),
        _log("sandbox"),
        settings.BASE_DIR,
        ready=partial(accepts_connections, port),
        stops_last=True,
    )


def _web(listener: socket.socket) -> Service:
    gunicorn = (sys.executable, "-m", "gunicorn", "-c", "python:ops.gunicorn_conf")
    behind = ("nice", "-n", str(WEB_NICENESS))
    return Service(
        "web",
        (*behind, *gunicorn, "--bind", f"fd://{listener.fileno()}", "voiceops.wsgi"),
        _log("web"),
        settings.BASE_DIR,
        ready=partial(_serves_requests, listener.getsockname()[1]),
        pass_fds=(listener.fileno(),),
        stop_seconds=WEB_STOP_SECONDS,
        # The kernel signals only gunicorn's master, which must end its own workers.
        orphan_signal=signal.SIGTERM,
    )


def _worker(index: int) -> Service:
    name = f"worker{index + 1}" if index else "worker"
    command = worker_command(name)
    return Service(name, command, _log(name), settings.BASE_DIR, stop_seconds=WORKER_STOP_SECONDS)


def _log(name: str) -> Path:
    return Path(settings.DATA_DIR / "logs" / f"{name}.log")


def accepts_connections(port: int) -> bool:
    """Whether something listens on the port of this machine."""
    try:
        socket.create_connection((HOST, port), timeout=READY_TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True


def _serves_requests(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=READY_TIMEOUT_SECONDS)
    with closing(connection):
        try:
            connection.request("GET", "/healthz")
            # ALLOWED_HOSTS may contain the public name only. A server that refuses our host name
            # with 400 serves requests.
            return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
        except (OSError, http.client.HTTPException):
            return False
