"""Runs `python -m voice rehearse` and `replay`, a program with packages of its own, as a bounded
child.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from django.conf import settings

VOICE_PYTHON = settings.BASE_DIR / ".venv-worker" / "bin" / "python"
# A conversation in text takes milliseconds, in sound as long as it is.
REHEARSAL_TIMEOUT_SECONDS = {"text": 120.0, "audio": 900.0}
REHEARSAL_BEAT_SECONDS = 5.0
MAX_REHEARSAL_OUTPUT_BYTES = 8_000_000
# The program's exit status.
SCRIPTS_PASSED, SCRIPTS_FAILED, SCRIPTS_UNUSABLE = 0, 1, 2
VOICE_NOT_INSTALLED = "No voice worker is installed here. Install it with: make worker"


class RehearsalError(Exception):
    """A rehearsal that could not be carried out, in one sentence."""


def rehearse_in_child(
    rehearsal: Mapping[str, Any], *, mode: str, names: Sequence[str], on_beat: Callable[[], None]
) -> list[dict[str, Any]]:
    """Return what came of each script, as the program's JSON has it.

    `rehearsal` is the content of its file; `names` are labels and tags, none for all scripts.
    `on_beat` is called every few seconds while it runs. Raises RehearsalError.
    """
    chosen = [option for name in names for option in ("--script", name)]
    seconds = _timeout_seconds(rehearsal, mode)
    return _run_program("rehearse", rehearsal, ["--mode", mode, *chosen], seconds, on_beat)


def replay_in_child(
    replay: Mapping[str, Any], *, on_beat: Callable[[], None]
) -> list[dict[str, Any]]:
    """Return what came of each call of the program's file. Raises RehearsalError."""
    return _run_program("replay", replay, [], REHEARSAL_TIMEOUT_SECONDS["text"], on_beat)


def _run_program(
    name: str,
    content: Mapping[str, Any],
    options: Sequence[str],
    seconds: float,
    on_beat: Callable[[], None],
) -> list[dict[str, Any]]:
    """Raises RehearsalError."""
    if not VOICE_PYTHON.exists():
        raise RehearsalError(VOICE_NOT_INSTALLED)
    # Only this user may read it: it holds the agent's options, and a key may be among them.
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        file, output, errors = (Path(folder) / each for each in ("content.json", "out", "err"))
        file.write_bytes(orjson.dumps(content))
        command = [str(VOICE_PYTHON), "-m", "voice", name, str(file), "--json", *options]
        with output.open("wb") as out, errors.open("wb") as err:
            status = _run(command, out, err, seconds, on_beat)
        if status in (SCRIPTS_PASSED, SCRIPTS_FAILED):
            return _read_results(output)
        lines = errors.read_text(errors="replace").strip().splitlines()
        last = lines[-1] if lines else f"it ended with {status}"
        if status == SCRIPTS_UNUSABLE:
            raise RehearsalError(last.replace(str(file), "The scripts"))
        raise RehearsalError(f"The voice worker failed: {last}")


def _timeout_seconds(rehearsal: Mapping[str, Any], mode: str) -> float:
    """Return how long a run may take: a model takes its time, also in text."""
    scripts = rehearsal["scripts"]
    waits = any(script.get("instructions") or script.get("judge") for script in scripts)
    return REHEARSAL_TIMEOUT_SECONDS["audio" if waits else mode]


def _run(
    command: Sequence[str],
    out: BinaryIO,
    err: BinaryIO,
    seconds: float,
    on_beat: Callable[[], None],
) -> int:
    """Return the exit status. Raises RehearsalError when the child takes too long."""
    child = subprocess.Popen(  # noqa: S603 - our own program, without a shell
        command,
        cwd=settings.BASE_DIR,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        start_new_session=True,
    )
    until = time.monotonic() + seconds
    try:
        while (left := until - time.monotonic()) > 0:
            try:
                return child.wait(min(left, REHEARSAL_BEAT_SECONDS))
            except subprocess.TimeoutExpired:
                on_beat()
        raise RehearsalError(f"It was not over after {seconds:.0f} seconds")
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _read_results(output: Path) -> list[dict[str, Any]]:
    """Raises RehearsalError when the program's answer cannot be used."""
    if output.stat().st_size > MAX_REHEARSAL_OUTPUT_BYTES:
        raise RehearsalError("What was said is too long to be kept")
    try:
        scripts: list[dict[str, Any]] = orjson.loads(output.read_bytes())["scripts"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise RehearsalError("The voice worker's answer cannot be read") from error
    return scripts
