"""`python -m voice start`, and `serve`, which it starts."""

import argparse
import asyncio
import ctypes
import logging
import signal
import sys
from contextlib import suppress

from voice.rehearsal.script import ScriptError
from voice.settings import Settings, SettingsError, check_spool, read_settings
from voice.worker.callee_scripts import played_scripts
from voice.worker.supervise import Supervisor

PR_SET_PDEATHSIG = 1


def start(options: argparse.Namespace) -> int:
    """Serve calls until a signal. Returns 2 when a setting cannot be used."""
    settings = _settings()
    return 2 if settings is None else Supervisor(settings).run()


def serve(options: argparse.Namespace) -> int:
    """Serve calls without a supervisor."""
    settings = _settings()
    if settings is None:
        return 2
    logging.getLogger().setLevel(settings.log_level)
    die_with_parent()
    # It loads the framework, which the supervisor must not.
    from voice.worker import server  # noqa: PLC0415

    server.write_providers()
    return asyncio.run(server.serve(settings))


def die_with_parent() -> None:
    """Let this process drain when its supervisor is killed: nobody else would end it (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _settings() -> Settings | None:
    try:
        settings = read_settings()
        check_spool(settings)
        # A mistake in a file is said now, and not on the first call.
        played_scripts(settings.callees)
    except (SettingsError, ScriptError) as error:
        sys.stderr.write(f"{error}\n")
        return None
    return settings
