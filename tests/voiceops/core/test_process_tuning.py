"""What a process does with its memory."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
# Half of the blocks are dropped, in a cycle, so that neither the collector nor the C library gives
# anything back by itself: what is left pins the end of the heap.
LARGE_REQUEST = """
import gc
from pathlib import Path
from voiceops.core import process_tuning

def megabytes():
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) // 1024

process_tuning.tune_gc()
before = megabytes()
garbage = [bytes(5_000) for _ in range(20_000)]
kept = bytes(5_000)
garbage.append(garbage)
del garbage
large = megabytes()
process_tuning.return_free_memory()
print(large - before, megabytes() - before)
"""


def test_what_a_large_request_needed_is_returned_to_the_system() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LARGE_REQUEST],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    needed, left = map(int, done.stdout.split())
    assert needed > 80
    assert left < 20
