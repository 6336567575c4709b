"""Figures of the worker's processes against the sandbox: start, memory, and a killed job."""

import asyncio
import os
import re
import signal
from pathlib import Path

from voice.bench.world import (
    CHATTY_AGENT,
    STAYING_CALLEE,
    Worker,
    becomes_true,
    running_world,
)

# Until warm processes have been started, and memory has settled.
IDLE_SETTLE_SECONDS = 5.0
WARM_PROCESSES = 2
PARENT = re.compile(r"^PPid:\s*(\d+)$", re.MULTILINE)
MEMORY = re.compile(r"^(Pss|Private_Clean|Private_Dirty):\s*(\d+) kB$", re.MULTILINE)


async def measure_processes(folder: Path) -> dict[str, float]:
    """Return the figures of a worker that is started for them."""
    async with running_world(folder, VOICE_IDLE_PROCESSES=str(WARM_PROCESSES)) as world:
        await asyncio.sleep(IDLE_SETTLE_SECONDS)
        tree = process_tree(world.worker)
        idle = sum(memory_mb(pid)["Pss"] for pid in tree)
        # The youngest is a warm process, which has had no call yet.
        waiting = private_mb(max(tree))
        call_id = await world.call(STAYING_CALLEE, CHATTY_AGENT)
        await becomes_true(lambda: len(world.texts(call_id)) >= 3)
        job = world.job_pid(call_id)
        busy = private_mb(job)
        os.kill(job, signal.SIGKILL)
        freed = await becomes_true(lambda: world.reason(call_id) is not None)
        return {
            "register_seconds": world.worker.registered_seconds,
            "idle_worker_pss_mb": idle,
            "idle_process_uss_mb": waiting,
            "call_process_uss_mb": busy,
            "killed_job_to_end_seconds": freed,
        }


def process_tree(worker: Worker) -> list[int]:
    """Return the ids of a worker's processes (Linux)."""
    assert worker.process is not None
    parents = {
        int(path.parent.name): int(PARENT.findall(path.read_text())[0])
        for path in Path("/proc").glob("[0-9]*/status")
        if path.exists()
    }
    found = [worker.process.pid]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def memory_mb(pid: int) -> dict[str, float]:
    """Return a process's shares of the memory, by the kernel's names."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {name: int(kilobytes) / 1024 for name, kilobytes in MEMORY.findall(text)}


def private_mb(pid: int) -> float:
    """Return what the end of a process would free."""
    memory = memory_mb(pid)
    return memory["Private_Clean"] + memory["Private_Dirty"]
