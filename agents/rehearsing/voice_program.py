"""Runs `python -m voice rehearse`, a program with packages of its own, as a bounded child."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings

VOICE_PYTHON = settings.BASE_DIR / ".venv-worker" / "bin" / "python"
# A conversation in text takes milliseconds, in sound as long as it is.
REHEARSAL_TIMEOUT_SECONDS = {"text": 120.0, "audio": 900.0}
MAX_REHEARSAL_OUTPUT_BYTES = 8_000_000
# The program's exit status.
SCRIPTS_PASSED, SCRIPTS_FAILED, SCRIPTS_UNUSABLE = 0, 1, 2
VOICE_NOT_INSTALLED = "No voice worker is installed here. Install it with: make worker"


class RehearsalError(Exception):
    """A rehearsal that could not be carried out, in one sentence."""


def rehearse_in_child(
    rehearsal: Mapping[str, Any], *, mode: str, names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return what came of each script, as the program's JSON has it.

    `rehearsal` is the content of its file; `names` are labels and tags, none for all scripts.
    Raises RehearsalError.
    """
    if not VOICE_PYTHON.exists():
        raise RehearsalError(VOICE_NOT_INSTALLED)
    # Only this user may read it: it holds the agent's options, and a key may be among them.
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        file, output, errors = (Path(folder) / name for name in ("scripts.json", "out", "err"))
        file.write_bytes(orjson.dumps(rehearsal))
        chosen = [option for name in names for option in ("--script", name)]
        command = [
            str(VOICE_PYTHON),
            "-m",
            "voice",
            "rehearse",
            str(file),
            "--json",
            "--mode",
            mode,
        ]
        status = _run([*command, *chosen], output, errors, _timeout_seconds(rehearsal, mode))
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


def _run(command: Sequence[str], output: Path, errors: Path, seconds: float) -> int:
    """Return the exit status. Raises RehearsalError when the child takes too long."""
    with output.open("wb") as out, errors.open("wb") as err:
        child = subprocess.Popen(  # noqa: S603 - our own program, without a shell
            command,
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise RehearsalError(f"It was not over after {seconds:.0f} seconds") from error
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
