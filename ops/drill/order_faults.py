"""F25 to F27: requests of users that cross each other, or cross the calls of a batch.

Each scenario is a generator. Up to its `yield` it causes the conflict; after it, when every batch
has ended, it checks what must hold.
"""

import threading
import time
from collections.abc import Iterator

from accounts.models import AuditEntry
from ops.demo.client import Api, ApiError
from ops.drill.line_faults import ANSWERED, expect_one_dial_each, two_digits
from ops.drill.world import DrillBatch, World

PARALLEL_STARTS = 4
START_TIMEOUT_SECONDS = 60.0
# How long after the response to a request an INVITE may still be sent.
PAUSE_SECONDS = 2.0
SUPPRESSION_SECONDS = 1.0


def start_in_parallel(world: World) -> Iterator[None]:
    """Four users start one batch at the same time. One start succeeds, the others are refused."""
    batch = world.start_batch(["00", "01"], start="manual")
    world.wait_until(lambda: batch.row().status == "ready", "the list is imported")
    statuses: list[int] = []

    def start() -> None:
        api = Api(world.url, **world.api.credentials)
        api.log_in()
        try:
            api.post(f"/batches/{batch.batch_id}/start")
            statuses.append(200)
        except ApiError as error:
            statuses.append(error.status)

    threads = [threading.Thread(target=start) for _ in range(PARALLEL_STARTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(START_TIMEOUT_SECONDS)
    yield
    starts = AuditEntry.unscoped.filter(action="batch.started", object_id=batch.batch_id)
    recorded = world.query(starts.count)
    answers = sorted(statuses)
    world.expect(answers == [200, 400, 400, 400], f"four starts were answered {answers}")
    world.expect(recorded == 1, f"{recorded} starts in the audit log")
    expect_one_dial_each(world, batch)


def upload_same_number_twice(world: World) -> Iterator[None]:
    """One number, several times in a list and in another list. Within a list it is one recipient;
    across lists, the workspace's daily cap holds.
    """
    first = DrillBatch(world, area_code=int(world.next_number("01")[2:5]))
    area = first.area_code
    spellings = [f"+1{area}5550101", f"({area}) 555-0101", f"1-{area}-555-0101"]
    text = "phone\n" + "\n".join(spellings) + "\n"
    world.upload_batch(first, text, default_country="US")
    world.wait_until(first.has_ended, "the list is called")

    workspace_id = first.row().workspace_id
    world.api.patch(f"/workspaces/{workspace_id}", {"max_attempts_per_day": 1})
    second = DrillBatch(world, area_code=area)
    world.upload_batch(second, f"phone\n{spellings[0]}\n")
    world.wait_until(second.has_ended, "the second list is refused")
    world.api.patch(f"/workspaces/{workspace_id}", {"max_attempts_per_day": None})
    yield
    statuses = sorted(recipient.status for recipient in first.recipients())
    world.expect(statuses == ["completed", "skipped", "skipped"], str(statuses))
    reasons = [recipient.reason for recipient in second.recipients()]
    world.expect(reasons == ["daily_cap"], str(second.results()))
    dials = len(first.dials()) + len(second.dials())
    world.expect(dials == 1, f"{dials} dials for one recipient")


def change_batches_before_intent(world: World) -> Iterator[None]:
    """Batches are paused and stopped, and recipients suppressed, while reserved calls wait for
    their time slots. None of these calls is dialed.
    """
    paused, stopped, suppressed = (world.start_batch(two_digits(8), rate=1) for _ in range(3))
    for batch in (paused, stopped, suppressed):
        wait_for_reserved_calls(world, batch)
    paused.request("pause")
    paused_at = time.time()
    stopped.request("stop")
    stopped_at = time.time()
    for recipient in suppressed.recipients():
        body = {"phone_number": recipient.phone_number, "reason": "asked"}
        world.api.post("/suppressions", body)
    suppressed_at = time.time()
    time.sleep(4.0)
    has_dialed_late = [
        paused.has_dialed_since(paused_at + PAUSE_SECONDS),
        stopped.has_dialed_since(stopped_at + PAUSE_SECONDS),
        suppressed.has_dialed_since(suppressed_at + SUPPRESSION_SECONDS),
    ]
    paused.request("resume")
    yield
    world.expect(
        not any(has_dialed_late),
        f"dialed late (paused, stopped, suppressed): {has_dialed_late}",
    )
    end_reasons = {
        call.end_reason
        for batch in (paused, stopped, suppressed)
        for call in batch.calls(dialed_at=None)
    }
    refused = end_reasons & {"batch_paused", "batch_stopped"} and "suppressed" in end_reasons
    world.expect(bool(refused), f"refusals: {end_reasons}")
    world.expect(set(paused.results().values()) == {ANSWERED}, str(paused.results()))
    world.expect(stopped.statuses() <= {"completed", "cancelled"}, str(stopped.results()))
    world.expect(suppressed.statuses() <= {"completed", "skipped"}, str(suppressed.results()))


def wait_for_reserved_calls(world: World, batch: DrillBatch) -> None:
    """Wait until calls of the batch have been dialed and others are reserved."""
    world.wait_until(
        lambda: len(batch.dials()) >= 2 and batch.calls(stage="reserved"), "reserved calls"
    )
