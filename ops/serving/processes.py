"""What VoiceOps consists of on one machine: the sandbox, the web server, the worker."""

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


class PortTakenError(DomainError):
    """The message names the port and the variable that moves it."""


def local_url() -> str:
    return f"http://{HOST}:{settings.PORT}"


@contextmanager
def listening(port: int, *, variable: str) -> Iterator[socket.socket]:
    """A listening socket. The web server inherits it, so that clients wait while it restarts
    instead of being refused.

    Raises PortTakenError.
    """
    try:
        listener = socket.create_server((HOST, port), backlog=2048)
    except (OSError, OverflowError) as error:
        reason = (
            os.strerror(error.errno or 0) if isinstance(error, OSError) else "ports go to 65535"
        )
        raise PortTakenError(
            f"Port {port} cannot be used ({reason}). Set {variable} to a free one."
        ) from error
    with closing(listener):
        yield listener


@contextmanager
def running(*, tell: Callable[[str], None], workers: int = 1) -> Iterator[Supervisor]:
    """Everything of this machine, started and ready; stopped when the block ends.

    Raises PortTakenError, StartError and OperationalError (no database).
    """
    with listening(settings.PORT, variable="PORT") as listener:
        tell("Preparing the database")
        call_command("migrate", interactive=False, verbosity=0)
        connections.close_all()
        with Supervisor(services(listener, workers), tell=tell) as supervisor:
            tell(f"Starting {', '.join(service.name for service in supervisor.services)}")
            supervisor.start()
            yield supervisor
            tell("Stopping")


def services(listener: socket.socket, workers: int) -> list[Service]:
    """In starting order. Raises PortTakenError when the sandbox cannot have its port."""
    sandbox = [_sandbox()] if settings.USES_SANDBOX else []
    return [*sandbox, _web(listener), *(_worker(index) for index in range(workers))]


def _sandbox() -> Service:
    port = settings.SANDBOX_PORT
    with listening(port, variable="SANDBOX_PORT"):
        pass  # free
    command = (
        sys.executable,
        "manage.py",
        "sandbox",
        "--port",
        str(port),
        "--webhook-exclude",
        "track_published",
    )
    ready = partial(_accepts, port)
    return Service(
        "sandbox", command, _log("sandbox"), settings.BASE_DIR, ready=ready, outlives=True
    )


def _web(listener: socket.socket) -> Service:
    bind = ("--bind", f"fd://{listener.fileno()}")
    return Service(
        "web",
        (
            sys.executable,
            "-m",
            "gunicorn",
            "-c",
            "python:ops.gunicorn_conf",
            *bind,
            "voiceops.wsgi",
        ),
        _log("web"),
        settings.BASE_DIR,
        ready=partial(_answers, listener.getsockname()[1]),
        pass_fds=(listener.fileno(),),
        patience=3.0,
        # Gunicorn's own workers are not on our leash: it must end them.
        orphan_signal=signal.SIGTERM,
    )


def _worker(index: int) -> Service:
    name = f"worker{index + 1}" if index else "worker"
    flags = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")
    pool = ("--pool", "threads", "--concurrency", str(WORKER_THREADS))
    command = (
        sys.executable,
        "-m",
        "celery",
        "-A",
        "voiceops",
        "worker",
        *pool,
        *flags,
        "-n",
        f"{name}@%h",
    )
    return Service(name, command, _log(name), settings.BASE_DIR, patience=5.0)


def _log(name: str) -> Path:
    return Path(settings.DATA_DIR / "logs" / f"{name}.log")


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=1)
    with closing(connection):
        try:
            connection.request("GET", "/healthz")
            # ALLOWED_HOSTS may know its public name only: a server that refuses this one serves.
            return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
        except (OSError, http.client.HTTPException):
            return False
