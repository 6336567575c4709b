"""Runs a command that ends when the process that started it does, even by `kill -9`.

    python -I -S ops/serving/die_with_parent.py PARENT SIGNAL COMMAND...

Linux sends SIGNAL to the command as soon as the process PARENT is gone (prctl(2), PR_SET_PDEATHSIG,
which survives exec). The signal follows the *thread* that started the command, so that thread must
live as long as its process. Other systems have no such call: there, a supervisor that is killed
leaves its processes running.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent_command(
    command: tuple[str, ...], *, script: str = __file__, number: int
) -> list[str]:
    """The command line that runs `command` and sends it signal `number` when this process ends."""
    return [sys.executable, "-I", "-S", script, str(os.getpid()), str(number), *command]


def main(parent: str, number: str, *command: str) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    # The parent may have ended before prctl was called; then no signal will ever come.
    if os.getppid() != int(parent):
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 the point of this program is to become another


if __name__ == "__main__":
    main(*sys.argv[1:])
