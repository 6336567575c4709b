"""Make the virtual environment and install a lock file into it. Runs on the system's Python, with
its library only.

    python3 ops/bootstrap.py requirements.txt

uv is four times faster than pip at this (17 s instead of 46 s for all of requirements.txt, on two
cores), so pip installs uv out of the lock and uv the rest. Where uv cannot reach the package index
(it reads none of pip's settings), pip does it all. Either way every file must have the hash the
lock says.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
PIP_FLAGS = (
    "--quiet",
    "--no-input",
    "--disable-pip-version-check",
    "--no-deps",
    "--require-hashes",
)
UV_FLAGS = ("--quiet", "--no-deps", "--require-hashes", "--compile-bytecode")


def main(lock: Path) -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 this file meets whatever Python there is
        sys.exit(
            f"VoiceOps needs Python 3.11 or newer, {sys.executable} is {sys.version.split()[0]}: make PYTHON=…"
        )
    if not _works(PYTHON, "-m", "pip", "--version"):
        say("Making the virtual environment")
        make_venv()
    count = sum("==" in line for line in lock.read_text().splitlines())
    say(f"Installing {count} packages of {lock.name}, once (about half a minute)")
    install(lock)


def make_venv() -> None:
    """Debian's Python comes without ensurepip: root can have it installed, others may have a pip
    that brings one.
    """
    shutil.rmtree(VENV, ignore_errors=True)
    venv = (sys.executable, "-m", "venv", VENV)
    if _works(*venv):
        return
    if _works(*venv, "--without-pip") and _works(
        sys.executable, "-m", "pip", "--python", PYTHON, "install", "pip"
    ):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    if os.geteuid() == 0 and shutil.which("apt-get") and _install_venv_package() and _works(*venv):
        return
    sys.exit(
        "This Python cannot make a virtual environment. Mend it with: sudo apt-get install python3-venv"
    )


def install(lock: Path) -> None:
    if not (_with_uv(lock) or _run(PYTHON, "-m", "pip", "install", *PIP_FLAGS, "-r", lock)):
        sys.exit(
            f"The packages of {lock.name} could not be installed, for the reason above. "
            "They come from a package index, this once: see to the network, then run it again"
        )


def say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


def _with_uv(lock: Path) -> bool:
    with tempfile.TemporaryDirectory() as scratch:
        only_uv = Path(scratch) / "uv.txt"
        only_uv.write_text(pinned("uv", (ROOT / "requirements-dev.txt").read_text()))
        if not _works(PYTHON, "-m", "pip", "install", *PIP_FLAGS, "-r", only_uv):
            return False
    return _works(VENV / "bin" / "uv", "pip", "install", *UV_FLAGS, "--python", PYTHON, "-r", lock)


def pinned(name: str, lock: str) -> str:
    """One package's entry of a lock file: its version, and the hashes on the lines that continue
    it.
    """
    lines = lock.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(f"{name}=="))
    last = next(number for number in range(first, len(lines)) if not lines[number].endswith("\\"))
    return "\n".join(lines[first : last + 1]) + "\n"


def _install_venv_package() -> bool:
    say("Installing python3-venv, which Debian's Python comes without")
    packages = ["python3-venv"]
    return _works("apt-get", "install", "-qq", "-y", *packages) or (
        _works("apt-get", "update", "-qq") and _run("apt-get", "install", "-qq", "-y", *packages)
    )


def _run(*command: object, quiet: bool = False) -> bool:
    """Whether it ended well. Longer than a second, and a row of dots says that it is still at it."""
    output = subprocess.DEVNULL if quiet else None
    try:
        process = subprocess.Popen([str(part) for part in command], stdout=output, stderr=output)  # noqa: S603 no shell
    except FileNotFoundError:
        return False
    try:
        return _wait_with_dots(process) == 0
    finally:
        if process.poll() is None:  # we were told to stop
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


def _stop(number: int, frame: object) -> None:
    sys.exit("\nStopped before everything was installed; the next run goes on from here")


def _works(*command: object) -> bool:
    """Like _run, but without its complaints: there is another way when it fails."""
    return _run(*command, quiet=True)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    main(Path(sys.argv[1]).resolve())
