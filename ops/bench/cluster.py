"""A PostgreSQL server of one's own for a benchmark or a drill: a fresh cluster in a temporary
folder, on loopback.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

from ops.serving.ports import free_ports
from voiceops.core.errors import DomainError

DEBIAN = Path("/usr/lib/postgresql")
INSIDE = "VOICEOPS_BENCH"


def is_inside() -> bool:
    """Whether `again` has started this command."""
    return os.environ.get(INSIDE) == "1"


def again(world: Mapping[str, str], *, given: str = "") -> int:
    """Run this command again on the given database, else on a server of its own, in a folder of its
    own; its exit code.

    Raises DomainError where there is no PostgreSQL.
    """
    with (
        nullcontext(given) if given else postgres() as url,
        tempfile.TemporaryDirectory(prefix="voiceops-bench-", ignore_cleanup_errors=True) as folder,
    ):
        ours = {INSIDE: "1", "DATABASE_URL": url, "DATA_DIR": folder, **world}
        again = [sys.executable, *sys.argv]
        ended = subprocess.run(again, env={**os.environ, **ours}, check=False)  # noqa: S603 - ourselves
        return ended.returncode


def given_postgres() -> str:
    """DATABASE_URL when it names a PostgreSQL."""
    url = os.environ.get("DATABASE_URL", "")
    return url if url.startswith("postgres") else ""


def binary(name: str) -> str:
    """Where PostgreSQL's program is: Debian keeps it off the PATH. Raises DomainError."""
    places = sorted(DEBIAN.glob(f"*/bin/{name}"), reverse=True)
    found = str(places[0]) if places else shutil.which(name)
    if not found:
        raise DomainError(
            f"PostgreSQL's {name} is not installed (apt-get install postgresql), and DATABASE_URL is not set"
        )
    return found


def unprivileged() -> str | None:
    """PostgreSQL refuses to run as root: then it runs as the user its package made."""
    if os.getuid() != 0:
        return None
    try:
        pwd.getpwnam("postgres")
    except KeyError as error:
        raise DomainError(
            "PostgreSQL does not run as root, and there is no user 'postgres'"
        ) from error
    return "postgres"


@contextmanager
def postgres() -> Iterator[str]:
    """The DATABASE_URL of a fresh, empty server; gone with everything in it when the block ends."""
    who = unprivileged()
    [port] = free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="voiceops-postgres-"))
    data = folder / "data"
    try:
        if who:
            shutil.chown(folder, who, who)
        run(
            [
                binary("initdb"),
                "-D",
                str(data),
                "-U",
                "voiceops",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-sync",
            ],
            who,
        )
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c max_connections=100"
        run(
            [
                binary("pg_ctl"),
                "-D",
                str(data),
                "-l",
                str(folder / "log"),
                "-w",
                "-t",
                "30",
                "-o",
                options,
                "start",
            ],
            who,
        )
        try:
            yield f"postgres://voiceops@127.0.0.1:{port}/postgres"
        finally:
            run(
                [binary("pg_ctl"), "-D", str(data), "-w", "-t", "30", "-m", "immediate", "stop"],
                who,
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(command: list[str], who: str | None) -> None:
    done = subprocess.run(  # noqa: S603 PostgreSQL's own programs
        command,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
        text=True,
        user=who,
        group=who,
    )
    if done.returncode:
        raise DomainError(
            f"{Path(command[0]).name} failed: {done.stderr.strip().splitlines()[-1:]}"
        )
