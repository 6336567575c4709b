"""Run a list as a batch, from the upload to the table of outcomes, through the API."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from django.db import connection

from batches.models import Batch, Recipient
from ops.demo import workspace
from ops.demo.outcomes import Row, read_results
from ops.demo.progress import Progress
from voiceops.core.errors import DomainError

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Order:
    """What to run. `stall_seconds` without any change end it with an error; None waits for ever."""

    url: str
    data_dir: Path
    file: Path
    country: str | None
    stall_seconds: float | None


@dataclass(frozen=True)
class Result:
    batch: dict[str, Any]
    rows: list[Row]
    results: Path

    @property
    def still_open(self) -> int:
        """People of whom nobody knows yet what became of them. Those in review are not among them:
        it is said so.
        """
        return sum(self.batch["counts"][name] for name in Recipient.Status.open())


def rehearse(order: Order, *, out: TextIO, is_over: Callable[[], bool]) -> Result:
    """Upload the list, watch it until it ends and fetch its results.

    Gives up when `is_over` says so. Raises DomainError: what the server refused, why the batch
    failed, or that it stands still.
    """
    try:
        email, password = workspace.credentials(order.data_dir / "demo.json")
        demo = workspace.enter(order.url, email=email, password=password)
    finally:
        connection.close()
    batch = demo.api.upload("/batches", order.file, _fields(demo, order))
    batch = _watch(demo, batch, order, out=out, is_over=is_over)
    if batch["status"] == "failed":
        raise DomainError(f"The batch failed: {batch['error']}")
    results = order.data_dir / "results" / f"{batch['id']}.csv"
    demo.api.download(f"/batches/{batch['id']}/results.csv", results)
    return Result(batch, read_results(results), results)


def _fields(demo: workspace.Demo, order: Order) -> dict[str, str]:
    fields = {
        "name": order.file.stem,
        "agent_id": demo.agent_id,
        "phone_number_id": demo.phone_number_id,
        "start": "now",
    }
    return {**fields, "default_country": order.country} if order.country else fields


def _watch(
    demo: workspace.Demo,
    batch: dict[str, Any],
    order: Order,
    *,
    out: TextIO,
    is_over: Callable[[], bool],
) -> dict[str, Any]:
    """Show the progress until the batch has ended; return it as it then is."""
    path = f"/batches/{batch['id']}"
    picture, moved_at, before = Progress(out), time.monotonic(), batch
    try:
        while before["status"] not in Batch.Status.final():
            now = demo.api.get_patiently(f"{path}/progress", unless=is_over)
            picture.show(now)
            if now["status"] == "paused" != before["status"]:
                picture.say(f"Paused: {demo.api.get(path)['error'] or 'by a person'}")
            if now["counts"] != before["counts"] or now["status"] != before["status"]:
                before, moved_at = now, time.monotonic()
            elif (
                order.stall_seconds is not None
                and time.monotonic() - moved_at > order.stall_seconds
            ):
                raise DomainError(
                    f"Nothing has moved for {order.stall_seconds:.0f} s: {now['counts']}"
                )
            if is_over():
                raise DomainError("Stopped before the batch had ended")
            time.sleep(POLL_SECONDS)
    finally:
        picture.close()
    ended: dict[str, Any] = demo.api.get(path)
    return ended
