"""A PostgreSQL and a Redis server for one drill, on loopback and in a temporary folder, to be
stopped, crashed and emptied.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ops.serving.ports import free_ports
from ops.serving.postgres_server import PostgresServer
from voiceops.core.errors import DomainError

FOLDER_VARIABLE = "DRILL_SERVERS"
POSTGRES_PORT_VARIABLE = "DRILL_POSTGRES_PORT"
REDIS_PORT_VARIABLE = "DRILL_REDIS_PORT"
REDIS_START_SECONDS = 10.0
REDIS_TIMEOUT_SECONDS = 2


@dataclass(frozen=True)
class Servers:
    """Where the servers are."""

    folder: Path
    postgres_port: int
    redis_port: int

    @classmethod
    def from_environment(cls) -> "Servers":
        """The servers that the process which started this one has started (`environment`)."""
        return cls(
            Path(os.environ.get(FOLDER_VARIABLE, "")),
            int(os.environ.get(POSTGRES_PORT_VARIABLE, 0)),
            int(os.environ.get(REDIS_PORT_VARIABLE, 0)),
        )

    @property
    def environment(self) -> dict[str, str]:
        """Variables for a process that is to use these servers, and to break them."""
        return {
            FOLDER_VARIABLE: str(self.folder),
            POSTGRES_PORT_VARIABLE: str(self.postgres_port),
            REDIS_PORT_VARIABLE: str(self.redis_port),
            "DATABASE_URL": self.postgres.url,
            "CELERY_BROKER_URL": f"redis://127.0.0.1:{self.redis_port}/0",
        }

    @property
    def postgres(self) -> PostgresServer:
        return PostgresServer(self.folder, self.postgres_port)

    def start_redis(self) -> None:
        """Start Redis and wait until it responds. Raises DomainError."""
        program = shutil.which("redis-server")
        if program is None:
            raise DomainError("redis-server is not installed (apt-get install redis-server)")
        network = ["--port", str(self.redis_port), "--bind", "127.0.0.1"]
        files = [
            *("--dir", str(self.folder)),
            *("--pidfile", str(self._redis_pid_file)),
            *("--logfile", str(self._redis_log)),
        ]
        subprocess.run(  # noqa: S603 Redis' own program
            [program, *network, *files, "--daemonize", "yes", "--save", ""],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + REDIS_START_SECONDS
        while self.send_to_redis("PING") != "+PONG":
            if time.monotonic() > deadline:
                raise DomainError(f"Redis did not start; see {self._redis_log}")
            time.sleep(0.05)

    def kill_redis(self) -> None:
        """Kill Redis with SIGKILL; what it held in memory is gone."""
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int(self._redis_pid_file.read_text()), signal.SIGKILL)
            self._redis_pid_file.unlink()

    def send_to_redis(self, command: str) -> str:
        """The first line of Redis' reply; empty when it cannot be reached."""
        address = ("127.0.0.1", self.redis_port)
        try:
            with socket.create_connection(address, timeout=REDIS_TIMEOUT_SECONDS) as connection:
                connection.sendall(f"{command}\r\n".encode())
                return connection.recv(4096).decode().split("\r\n")[0]
        except OSError:
            return ""

    @property
    def _redis_pid_file(self) -> Path:
        return self.folder / "redis.pid"

    @property
    def _redis_log(self) -> Path:
        return self.folder / "redis.log"


@contextmanager
def running_servers(folder: Path) -> Iterator[Servers]:
    """Both servers, fresh and empty; gone when the block ends. Raises DomainError."""
    postgres_port, redis_port = free_ports(2)
    servers = Servers(folder, postgres_port, redis_port)
    servers.postgres.create()
    servers.postgres.start()
    try:
        servers.start_redis()
        yield servers
    finally:
        servers.kill_redis()
        # A drill that was interrupted may have left PostgreSQL stopped.
        with suppress(DomainError):
            servers.postgres.crash()
