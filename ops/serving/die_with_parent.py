"""Run a command that does not outlive the process that started it, even when that one gets `kill
-9`.

    python -I -S ops/serving/die_with_parent.py PARENT SIGNAL COMMAND...

Linux sends SIGNAL to the command as soon as PARENT is gone (prctl(2), PR_SET_PDEATHSIG: kept across
exec). The signal follows the *thread* that started us, so that thread must live as long as its
process. Other systems have no such thing: there a supervisor that is killed the hard way leaves its
processes running.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent_command(
    command: tuple[str, ...], *, script: str = __file__, number: int
) -> list[str]:
    """The command line that runs `command` on a leash held by the calling process."""
    return [sys.executable, "-I", "-S", script, str(os.getpid()), str(number), *command]


def main(parent: str, number: str, *command: str) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != int(parent):  # it died before the leash was on
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 the point of this program is to become another


if __name__ == "__main__":
    main(*sys.argv[1:])
