"""F29: the disk is full, and files have used up their quota.

Neither needs a privilege. A process whose limit on the size of files is lowered (`ulimit -f`) can
write to no file any more, as on a full disk; and a file with a hole weighs in the quota what it
says, and takes no room.
"""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import requests
from django.conf import settings

from ops.drill.line_faults import two_digits
from ops.drill.server_faults import SEND_WINDOW_SECONDS, wait_for_dial_since
from ops.drill.world import World
from ops.serving.process_tree import process_tree
from voiceops.core.disk_space import DISK_FULL, QUOTA_REACHED, USAGE_SECONDS

FULL_SECONDS = 4.0
HEALING_SECONDS = 15.0
UPLOAD_TIMEOUT_SECONDS = 30.0
# What is used is added up again after this time, in each process of the web server.
QUOTA_NOTICED_SECONDS = 2 * USAGE_SECONDS + 5.0
UPLOAD = b"phone\n+12025550123\n"


def fill_disk(world: World) -> Iterator[None]:
    """Every write fails for a while, and then the quota is used up. Uploads are refused in words,
    nobody is dialled whose intent could not be written, calling goes on beside a full quota, and
    all of it heals by itself.
    """
    batch = world.start_batch(two_digits(54), rate=2)
    batch.wait_for_dials(3)
    with full_disk(world):
        filled_at = time.time()
        refusal = upload(world, batch.number_id)
        write = create_agent(world)
        time.sleep(FULL_SECONDS)
        late = [dial for dial in batch.dials() if dial["at"] > filled_at + SEND_WINDOW_SECONDS]
    wait_for_dial_since(world, batch, time.time(), seconds=HEALING_SECONDS)
    expect_upload(world, batch.number_id, (201, ""), "an upload after the disk was full")

    quota = QUOTA_REACHED.format(limit=settings.MAX_DATA_DIR_BYTES)
    with used_up_quota():
        expect_upload(world, batch.number_id, (503, quota), "an upload beyond the quota")
        wait_for_dial_since(world, batch, time.time(), seconds=HEALING_SECONDS)
    expect_upload(world, batch.number_id, (201, ""), "an upload after the quota was used up")
    yield
    world.expect(refusal == (503, DISK_FULL), f"an upload on a full disk was answered {refusal}")
    world.expect(write == 503, f"a write on a full disk was answered {write}")
    world.expect(not late, f"{len(late)} recipients were dialed while the disk was full")
    batch.expect_statuses("completed", "review")


@contextmanager
def full_disk(world: World) -> Iterator[None]:
    """Web server and worker, and all they have started, can write to no file."""
    services = [
        running for running in world.supervisor.running if running.service.name != "sandbox"
    ]
    limits: dict[int, tuple[int, int]] = {}
    for process in process_tree(running.process.pid for running in services):
        limits[process] = resource.prlimit(process, resource.RLIMIT_FSIZE)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (0, limits[process][1]))
    try:
        yield
    finally:
        for process, limit in limits.items():
            # One that has died meanwhile was started again without a limit.
            with suppress(ProcessLookupError):
                resource.prlimit(process, resource.RLIMIT_FSIZE, limit)


@contextmanager
def used_up_quota() -> Iterator[None]:
    """A file in DATA_DIR weighs as much as all files may."""
    ballast = Path(settings.DATA_DIR) / "ballast"
    ballast.touch()
    os.truncate(ballast, settings.MAX_DATA_DIR_BYTES)
    try:
        yield
    finally:
        ballast.unlink()


def expect_upload(world: World, number_id: str, expected: tuple[int, str], what: str) -> None:
    """Upload a list until it is answered as expected. Raises ExpectationFailed."""
    world.wait_until(
        lambda: upload(world, number_id) == expected,
        f"{what} is answered {expected}",
        seconds=QUOTA_NOTICED_SECONDS,
    )


def upload(world: World, number_id: str) -> tuple[int, str]:
    """Upload a list that is not started; returns the status and, of a refusal, its words."""
    response = requests.post(
        f"{world.url}/batches",
        headers=dict(world.api.http.headers),
        data={"agent_id": world.agent_id, "phone_number_id": number_id, "name": "Disk"},
        files={"file": ("disk.csv", UPLOAD)},
        timeout=UPLOAD_TIMEOUT_SECONDS,
    )
    refusal = "" if response.ok else str(response.json()["detail"])
    return response.status_code, refusal


def create_agent(world: World) -> int:
    """Return the status of a request that only writes to the database."""
    response = requests.post(
        f"{world.url}/agents",
        headers=dict(world.api.http.headers),
        json={"name": "Disk", "system_prompt": "Be brief."},
        timeout=UPLOAD_TIMEOUT_SECONDS,
    )
    return response.status_code
