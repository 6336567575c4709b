"""A PostgreSQL and a Redis of a drill's own, on loopback, in a temporary folder: to be stopped,
crashed and emptied.
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

from ops.bench.cluster import binary, run, unprivileged
from ops.serving.ports import free_ports
from voiceops.core.errors import DomainError

IN_FOLDER, PG_PORT, REDIS_PORT = "DRILL_SERVERS", "DRILL_POSTGRES_PORT", "DRILL_REDIS_PORT"
REDIS_STARTS = 10.0  # seconds


@dataclass(frozen=True)
class Servers:
    """Where they are. The process that drills learns it from the environment of the one that
    started them.
    """

    folder: Path
    postgres_port: int
    redis_port: int

    @classmethod
    def from_environment(cls) -> "Servers":
        environment = os.environ
        return cls(
            Path(environment.get(IN_FOLDER, "")),
            int(environment.get(PG_PORT, 0)),
            int(environment.get(REDIS_PORT, 0)),
        )

    @property
    def environment(self) -> dict[str, str]:
        return {
            IN_FOLDER: str(self.folder),
            PG_PORT: str(self.postgres_port),
            REDIS_PORT: str(self.redis_port),
            "DATABASE_URL": f"postgres://voiceops@127.0.0.1:{self.postgres_port}/postgres",
            "CELERY_BROKER_URL": f"redis://127.0.0.1:{self.redis_port}/0",
        }

    # --- PostgreSQL ---

    def make_postgres(self) -> None:
        data = str(self.folder / "data")
        run(
            [
                binary("initdb"),
                "-D",
                data,
                "-U",
                "voiceops",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-sync",
            ],
            self.user,
        )

    @property
    def user(self) -> str | None:
        return unprivileged()

    def start_postgres(self) -> None:
        options = f"-p {self.postgres_port} -c listen_addresses=127.0.0.1 -k {self.folder} -c max_connections=100"
        self.control("-l", str(self.folder / "log"), "-o", options, "start")

    def stop_postgres(self) -> None:
        """As a crash does: no shutdown, no goodbye to anybody."""
        self.control("-m", "immediate", "stop")

    def control(self, *arguments: str) -> None:
        run(
            [binary("pg_ctl"), "-D", str(self.folder / "data"), "-w", "-t", "30", *arguments],
            self.user,
        )

    # --- Redis ---

    def start_redis(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise DomainError("redis-server is not installed (apt-get install redis-server)")
        subprocess.run(  # noqa: S603 Redis' own program
            [
                *(
                    program,
                    "--port",
                    str(self.redis_port),
                    "--bind",
                    "127.0.0.1",
                    "--daemonize",
                    "yes",
                    "--save",
                    "",
                ),
                *(
                    "--dir",
                    str(self.folder),
                    "--pidfile",
                    str(self.redis_pid),
                    "--logfile",
                    str(self.redis_log),
                ),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + REDIS_STARTS
        while self.redis("PING") != "+PONG":
            if time.monotonic() > deadline:
                raise DomainError(f"Redis did not start; see {self.redis_log}")
            time.sleep(0.05)

    @property
    def redis_pid(self) -> Path:
        return self.folder / "redis.pid"

    @property
    def redis_log(self) -> Path:
        return self.folder / "redis.log"

    def kill_redis(self) -> None:
        """SIGKILL; what it had in memory is gone."""
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int(self.redis_pid.read_text()), signal.SIGKILL)
            self.redis_pid.unlink()

    def redis(self, command: str) -> str:
        """The first line of its answer; nothing when nobody answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.redis_port), timeout=2) as line:
                line.sendall(f"{command}\r\n".encode())
                return line.recv(4096).decode().split("\r\n")[0]
        except OSError:
            return ""


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Both, fresh and empty; gone when the block ends."""
    postgres_port, redis_port = free_ports(2)
    ours = Servers(folder, postgres_port, redis_port)
    if ours.user:
        shutil.chown(folder, ours.user, ours.user)
    ours.make_postgres()
    ours.start_postgres()
    try:
        ours.start_redis()
        yield ours
    finally:
        ours.kill_redis()
        with suppress(DomainError):  # a drill that broke off may have left it stopped
            ours.stop_postgres()
