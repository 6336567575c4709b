"""A throwaway PostgreSQL server for benchmarks and drills: a fresh cluster in a folder of its own,
listening on loopback only.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.serving.ports import free_ports
from voiceops.core.errors import DomainError

DEBIAN_POSTGRES = Path("/usr/lib/postgresql")
SUPERUSER = "voiceops"
MAX_CONNECTIONS = 100
PG_CTL_SECONDS = 30  # to start or to stop


@dataclass(frozen=True)
class PostgresServer:
    """One cluster: its files are in `folder`, its port is `port`."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """What DATABASE_URL must be to use it."""
        return f"postgres://{SUPERUSER}@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        """Make the cluster's files. Raises DomainError."""
        user = unprivileged_user()
        if user:
            shutil.chown(self.folder, user, user)
        options = ["--auth=trust", "--encoding=UTF8", "--no-sync"]
        initdb = find_postgres_program("initdb")
        run_program([initdb, "-D", str(self._data), "-U", SUPERUSER, *options], user)

    def start(self) -> None:
        """Start the server and wait until it accepts connections. Raises DomainError."""
        server_options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder}"
            f" -c max_connections={MAX_CONNECTIONS}"
        )
        self._pg_ctl("-l", str(self.folder / "log"), "-o", server_options, "start")

    def stop(self) -> None:
        """Stop the server in order. Raises DomainError."""
        self._pg_ctl("-m", "fast", "stop")

    def crash(self) -> None:
        """Stop the server as a crash does, without a shutdown checkpoint. Raises DomainError."""
        self._pg_ctl("-m", "immediate", "stop")

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _pg_ctl(self, *arguments: str) -> None:
        pg_ctl = [find_postgres_program("pg_ctl"), "-D", str(self._data), "-w"]
        run_program([*pg_ctl, "-t", str(PG_CTL_SECONDS), *arguments], unprivileged_user())


@contextmanager
def temporary_postgres() -> Iterator[PostgresServer]:
    """A fresh, empty server, removed with its data when the block ends. Raises DomainError."""
    [port] = free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="voiceops-postgres-"))
    server = PostgresServer(folder, port)
    try:
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.crash()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def kept_postgres(folder: Path) -> Iterator[PostgresServer]:
    """The server whose data was kept in the folder, or a fresh one that is. Raises DomainError."""
    [port] = free_ports(1)
    server = PostgresServer(folder.resolve(), port)
    if not (folder / "data").exists():
        folder.mkdir(parents=True, exist_ok=True)
        server.create()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def find_postgres_program(name: str) -> str:
    """The path of one of PostgreSQL's programs, which Debian does not put on the PATH.

    Raises DomainError when PostgreSQL is not installed.
    """
    installed = sorted(DEBIAN_POSTGRES.glob(f"*/bin/{name}"), reverse=True)
    found = str(installed[0]) if installed else shutil.which(name)
    if not found:
        raise DomainError(
            f"PostgreSQL's {name} is not installed (apt-get install postgresql), "
            "and DATABASE_URL is not set"
        )
    return found


def unprivileged_user() -> str | None:
    """The user to run PostgreSQL as, because it refuses to run as root; None when we are not root.

    Raises DomainError when there is no such user.
    """
    if os.getuid() != 0:
        return None
    try:
        pwd.getpwnam("postgres")
    except KeyError as error:
        raise DomainError(
            "PostgreSQL does not run as root, and there is no user 'postgres'"
        ) from error
    return "postgres"


def run_program(command: list[str], user: str | None) -> None:
    """Run one of PostgreSQL's programs to its end. Raises DomainError with its last line."""
    done = subprocess.run(  # noqa: S603 PostgreSQL's own programs
        command,
        cwd="/",  # the user postgres may not enter ours
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
        text=True,
        user=user,
        group=user,
    )
    if done.returncode:
        last_line = done.stderr.strip().splitlines()[-1:]
        raise DomainError(f"{Path(command[0]).name} failed: {last_line}")
