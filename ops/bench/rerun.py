"""A benchmark runs itself again, in a process with a database and a folder of its own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from django.core.management import CommandError

from ops.serving.postgres_server import kept_postgres, temporary_postgres
from voiceops.core.errors import DomainError

INSIDE_BENCH_VARIABLE = "VOICEOPS_BENCH"


def is_rerun() -> bool:
    """Whether this process was started by `rerun_isolated`."""
    return os.environ.get(INSIDE_BENCH_VARIABLE) == "1"


def rerun_isolated(
    environment: Mapping[str, str], *, database_url: str = "", kept: Path | None = None
) -> int:
    """Run this command again on the given database, else on a PostgreSQL server of its own, with a
    folder of its own; returns the exit code. The server's data is kept in `kept`.

    Raises CommandError when PostgreSQL is needed and not installed.
    """
    with ExitStack() as stack:
        url = database_url or _start_postgres(stack, kept)
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="voiceops-bench-", ignore_cleanup_errors=True)
        )
        own = {INSIDE_BENCH_VARIABLE: "1", "DATABASE_URL": url, "DATA_DIR": folder, **environment}
        done = subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, *sys.argv], env={**os.environ, **own}, check=False
        )
        return done.returncode


def _start_postgres(stack: ExitStack, kept: Path | None) -> str:
    """The URL of a server that is stopped with `stack`. Raises CommandError."""
    try:
        return stack.enter_context(kept_postgres(kept) if kept else temporary_postgres()).url
    except DomainError as error:
        raise CommandError(str(error)) from error


def given_postgres_url() -> str:
    """DATABASE_URL when it names a PostgreSQL server, else an empty string."""
    url = os.environ.get("DATABASE_URL", "")
    return url if url.startswith("postgres") else ""
