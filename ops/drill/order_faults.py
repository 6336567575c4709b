"""F25 to F27: requests of users that cross each other, or cross the calls of a batch.

Each scenario is a generator. Up to its `yield` it causes the conflict; after it, when every batch
has ended, it checks what must hold.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from accounts.models import AuditEntry
from ops.demo.client import Api, ApiError
from ops.drill.line_faults import two_digits
from ops.drill.world import DrillBatch, World

PARALLEL_STARTS = 4
# How long after the response to a request an INVITE may still be sent.
PAUSE_SECONDS = 2.0
SUPPRESSION_SECONDS = 1.0
RATE = 1.0  # calls per second: time slots for which reserved calls wait


def start_in_parallel(world: World) -> Iterator[None]:
    """Four users start one batch at the same time. One start succeeds, the others are refused."""
    batch = world.start_batch(["00", "01"], start="manual")
    world.wait_until(lambda: batch.row().status == "ready", "the list is imported")
    with ThreadPoolExecutor(PARALLEL_STARTS) as pool:
        statuses = sorted(pool.map(lambda _: start(world, batch), range(PARALLEL_STARTS)))
    yield
    starts = AuditEntry.unscoped.filter(action="batch.started", object_id=batch.batch_id)
    recorded = world.query(starts.count)
    world.expect(statuses == [200, 400, 400, 400], f"four starts were answered {statuses}")
    world.expect(recorded == 1, f"{recorded} starts in the audit log")
    batch.expect_one_dial_each()


def start(world: World, batch: DrillBatch) -> int:
    """Start a batch as a user who has just logged in; returns the status of the response."""
    api = Api(world.url, **world.api.credentials)
    api.log_in()
    try:
        api.post(f"/batches/{batch.batch_id}/start")
    except ApiError as error:
        return error.status
    return 200


def upload_same_number_twice(world: World) -> Iterator[None]:
    """One number, several times in a list and in another list. Within a list it is one recipient;
    across lists, the workspace's daily cap holds.
    """
    area = int(world.next_number("01")[2:5])
    spellings = [f"+1{area}5550101", f"({area}) 555-0101", f"1-{area}-555-0101"]
    first = upload_numbers(world, area, spellings)

    workspace_id = first.row().workspace_id
    world.api.patch(f"/workspaces/{workspace_id}", {"max_attempts_per_day": 1})
    second = upload_numbers(world, area, spellings[:1])
    world.api.patch(f"/workspaces/{workspace_id}", {"max_attempts_per_day": None})
    yield
    statuses = sorted(recipient.status for recipient in first.recipients())
    world.expect(statuses == ["completed", "skipped", "skipped"], str(statuses))
    reasons = [recipient.reason for recipient in second.recipients()]
    world.expect(reasons == ["daily_cap"], str(second.results()))
    dials = len(first.dials()) + len(second.dials())
    world.expect(dials == 1, f"{dials} dials for one recipient")


def upload_numbers(world: World, area_code: int, numbers: Sequence[str]) -> DrillBatch:
    """Upload a list of these numbers, and wait until the batch has ended."""
    batch = DrillBatch(world, area_code=area_code)
    text = "phone\n" + "\n".join(numbers) + "\n"
    world.upload_batch(batch, text, default_country="US")
    world.wait_until(batch.has_ended, "the list is called")
    return batch


def change_batches_before_intent(world: World) -> Iterator[None]:
    """Batches are paused and stopped, and recipients suppressed, while reserved calls wait for
    their time slots. None of these calls is dialed.
    """
    deadlines = {
        name: change_with_reserved_calls(world, change, seconds)
        for name, change, seconds in (
            ("paused", pause, PAUSE_SECONDS),
            ("stopped", stop, PAUSE_SECONDS),
            ("suppressed", suppress_all, SUPPRESSION_SECONDS),
        )
    }
    paused, stopped, suppressed = (batch for batch, _ in deadlines.values())
    # Several time slots pass, in which calls would have been dialed.
    time.sleep(4.0)
    dialed_late = [
        name for name, (batch, until) in deadlines.items() if batch.has_dialed_since(until)
    ]
    paused.request("resume")
    yield
    world.expect(not dialed_late, f"dialed too late: {dialed_late}")
    expect_refusals(world, [paused, stopped, suppressed])
    paused.expect_all_answered()
    stopped.expect_statuses("completed", "cancelled")
    suppressed.expect_statuses("completed", "skipped")


def change_with_reserved_calls(
    world: World, change: Callable[[DrillBatch], float], seconds: float
) -> tuple[DrillBatch, float]:
    """Start a batch and change it as soon as calls are reserved: on a busy machine they do not wait
    for long. Returns the batch, and when its last INVITE may be sent.
    """
    batch = world.start_batch(two_digits(8), rate=RATE)
    world.wait_until(
        lambda: len(batch.dials()) >= 2 and batch.calls(stage="reserved"), "reserved calls"
    )
    return batch, change(batch) + seconds


def pause(batch: DrillBatch) -> float:
    """Returns the time of the response."""
    batch.request("pause")
    return time.time()


def stop(batch: DrillBatch) -> float:
    """Returns the time of the response."""
    batch.request("stop")
    return time.time()


def suppress_all(batch: DrillBatch) -> float:
    """Suppress every recipient's number; returns the time of the last response.

    First those whose calls are reserved, the last of them at the head: it waits for longest.
    """
    reserved = [call.to_number for call in batch.calls(stage="reserved")]
    others = {recipient.phone_number for recipient in batch.recipients()} - set(reserved)
    for phone_number in [*reversed(reserved), *sorted(others)]:
        batch.world.api.post("/suppressions", {"phone_number": phone_number, "reason": "asked"})
    return time.time()


def expect_refusals(world: World, batches: Sequence[DrillBatch]) -> None:
    """Reserved calls were refused at the intent: some for their batch, others for their number."""
    end_reasons = {call.end_reason for batch in batches for call in batch.calls(dialed_at=None)}
    by_batch = bool(end_reasons & {"batch_paused", "batch_stopped"})
    world.expect(by_batch and "suppressed" in end_reasons, f"refusals: {end_reasons}")
