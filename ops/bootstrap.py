"""Creates the virtual environment and installs a lock file into it. Runs on the system's Python,
with the standard library only.

    python3 ops/bootstrap.py requirements.txt [FOLDER]

FOLDER is the environment's, `.venv` without it.

uv is four times faster than pip (17 s instead of 46 s for all of requirements.txt, on two cores),
so pip installs uv from the lock, and uv installs the rest. Where uv cannot reach the package index,
because it ignores pip's settings, pip installs everything. Either way, every file must have a hash
from the lock.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PIP_FLAGS = (
    "--quiet",
    "--no-input",
    "--disable-pip-version-check",
    "--no-deps",
    "--require-hashes",
)
STOP_REQUESTED = threading.Event()
UV_FLAGS = ("--quiet", "--no-deps", "--require-hashes", "--compile-bytecode")


def main(lock: Path, venv: Path = ROOT / ".venv") -> None:
    # This file is run by whatever Python there is, so the check is not superfluous.
    if sys.version_info < (3, 11):  # noqa: UP036 - see above
        version = sys.version.split()[0]
        sys.exit(
            f"VoiceOps needs Python 3.11 or newer, {sys.executable} is {version}: make PYTHON=…"
        )
    if not _run_quietly(python_of(venv), "-m", "pip", "--version"):
        write_line("Creating the virtual environment")
        create_venv(venv)
    count = sum("==" in line for line in lock.read_text().splitlines())
    write_line(f"Installing {count} packages from {lock.name}, once (about half a minute)")
    install(lock, venv)


def python_of(venv: Path) -> Path:
    return venv / "bin" / "python"


def create_venv(venv: Path) -> None:
    """Create the virtual environment, or exit with how to make that possible.

    Debian's Python comes without ensurepip. A pip outside of the environment can install one into
    it; root can install the missing package.
    """
    shutil.rmtree(venv, ignore_errors=True)
    create = (sys.executable, "-m", "venv", venv)
    if _run_quietly(*create):
        return
    outer_pip = (sys.executable, "-m", "pip", "--python", python_of(venv))
    if _run_quietly(*create, "--without-pip") and _run_quietly(*outer_pip, "install", "pip"):
        return
    shutil.rmtree(venv, ignore_errors=True)
    can_install = os.geteuid() == 0 and shutil.which("apt-get")
    if can_install and _install_venv_package() and _run_quietly(*create):
        return
    sys.exit(
        "This Python cannot create a virtual environment. "
        "Fix it with: sudo apt-get install python3-venv"
    )


def install(lock: Path, venv: Path) -> None:
    """Install the packages of the lock, or exit with a hint at the cause."""
    pip_install = (python_of(venv), "-m", "pip", "install", *PIP_FLAGS, "-r", lock)
    if not (_install_with_uv(lock, venv) or _run(*pip_install)):
        sys.exit(
            f"The packages of {lock.name} could not be installed, for the reason above. "
            "They come from a package index: check the network, then run this again"
        )


def write_line(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


def _install_with_uv(lock: Path, venv: Path) -> bool:
    python = python_of(venv)
    with tempfile.TemporaryDirectory() as scratch:
        only_uv = Path(scratch) / "uv.txt"
        only_uv.write_text(locked_entry("uv", (ROOT / "requirements-dev.txt").read_text()))
        if not _run_quietly(python, "-m", "pip", "install", *PIP_FLAGS, "-r", only_uv):
            return False
    uv = venv / "bin" / "uv"
    return _run_quietly(uv, "pip", "install", *UV_FLAGS, "--python", python, "-r", lock)


def locked_entry(name: str, lock: str) -> str:
    """One package's entry of a lock file: its version, and the lines of hashes that continue it."""
    lines = lock.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(f"{name}=="))
    last = next(number for number in range(first, len(lines)) if not lines[number].endswith("\\"))
    return "\n".join(lines[first : last + 1]) + "\n"


def _install_venv_package() -> bool:
    write_line("Installing python3-venv, which Debian's Python comes without")
    apt_install = ("apt-get", "install", "-qq", "-y", "python3-venv")
    if _run_quietly(*apt_install):
        return True
    return _run_quietly("apt-get", "update", "-qq") and _run(*apt_install)


def _run(*command: object, quiet: bool = False) -> bool:
    """Run a command; returns whether it succeeded. Prints a dot for every second that it takes.

    Exits, and ends the command, when a signal has asked to stop.
    """
    _exit_if_stopped()
    output = subprocess.DEVNULL if quiet else None
    arguments = [str(part) for part in command]
    try:
        process = subprocess.Popen(arguments, stdout=output, stderr=output)  # noqa: S603 no shell
    except FileNotFoundError:
        return False
    try:
        return _wait_with_dots(process) == 0
    finally:
        # We are exiting: nothing may be left behind.
        if process.poll() is None:
            process.terminate()
            process.wait()


def _wait_with_dots(process: subprocess.Popen[bytes]) -> int:
    dots = 0
    while True:
        try:
            code = process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            dots += 1
            sys.stdout.write(".")
            sys.stdout.flush()
        else:
            sys.stdout.write("\n" if dots else "")
            return code
        finally:
            _exit_if_stopped()


def _request_stop(number: int, frame: object) -> None:
    # An exception raised here could hit Popen just after it has started a process, which would then
    # be left behind.
    STOP_REQUESTED.set()


def _exit_if_stopped() -> None:
    if STOP_REQUESTED.is_set():
        sys.exit("\nStopped before everything was installed; the next run continues from here")


def _run_quietly(*command: object) -> bool:
    """Like _run, but without the command's output, where there is another way if it fails."""
    return _run(*command, quiet=True)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _request_stop)
    main(*(Path(argument).resolve() for argument in sys.argv[1:3]))
