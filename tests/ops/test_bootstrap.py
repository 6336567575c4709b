import signal
import subprocess
import sys
import time

import pytest

from ops.bootstrap import ROOT, pinned
from tests.ops.processes import becomes_true, processes_of

WAITING = """
import signal, sys
from ops import bootstrap
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, bootstrap._stop)
bootstrap._run(sys.executable, "-c", "import time; time.sleep(60)")
"""


def test_one_package_is_cut_out_of_a_lock_with_all_its_hashes() -> None:
    lock = "uuid==1 \\\n    --hash=sha256:aa\nuv==2 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n\nvine==3\n"

    assert pinned("uv", lock) == "uv==2 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"


def test_the_lock_holds_the_installer() -> None:
    lock = (ROOT / "requirements-dev.txt").read_text()

    assert pinned("uv", lock).count("--hash=sha256:") > 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_what_is_being_installed_in_one_line(
    mark: str, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], cwd=ROOT, text=True, stderr=subprocess.PIPE
    ) as process:
        assert becomes_true(lambda: len(processes_of(mark, "time.sleep")) == 2, seconds=20)
        process.send_signal(number)
        stopped_at = time.monotonic()
        _, errors = process.communicate(timeout=15)

    assert errors == "\nStopped before everything was installed; the next run goes on from here\n"
    assert (process.returncode, time.monotonic() - stopped_at < 10) == (1, True)
    assert processes_of(mark) == set()
