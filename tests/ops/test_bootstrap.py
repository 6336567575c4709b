import signal
import subprocess
import sys
import time

import pytest

from ops.bootstrap import ROOT, locked_entry
from tests.ops.processes import becomes_true, killed_at_end, processes_of

WAITING = """
import signal, sys
from ops import bootstrap
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, bootstrap._request_stop)
bootstrap._run(sys.executable, "-c", "import time; time.sleep(60)")
"""


def test_the_entry_of_one_package_has_all_its_hashes() -> None:
    before = "uuid==1 \\\n    --hash=sha256:aa\n"
    entry = "uv==2 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    after = "\nvine==3\n"

    assert locked_entry("uv", before + entry + after) == entry


def test_the_lock_contains_the_installer() -> None:
    lock = (ROOT / "requirements-dev.txt").read_text()

    assert locked_entry("uv", lock).count("--hash=sha256:") > 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_installation_in_one_line(mark: str, number: signal.Signals) -> None:
    installer = subprocess.Popen(
        [sys.executable, "-c", WAITING], cwd=ROOT, text=True, stderr=subprocess.PIPE
    )
    with killed_at_end(installer) as process:
        assert becomes_true(lambda: len(processes_of(mark, "time.sleep")) == 2, seconds=20)
        process.send_signal(number)
        stopped_at = time.monotonic()
        _, errors = process.communicate(timeout=15)

    assert errors == "\nStopped before everything was installed; the next run continues from here\n"
    assert (process.returncode, time.monotonic() - stopped_at < 10) == (1, True)
    assert processes_of(mark) == set()
