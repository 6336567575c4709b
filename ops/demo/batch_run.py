"""Runs a list as a batch through the API, from the upload to the results."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from django.db import connection

from batches.models import Batch, Recipient
from ops.demo import workspace
from ops.demo.outcomes import ResultRow, read_results
from ops.demo.progress import Progress
from voiceops.core.errors import DomainError

DEMO_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class RunRequest:
    """What to run. `stall_seconds` without any change end it with an error; None waits for ever."""

    url: str
    data_dir: Path
    file: Path
    country: str | None
    stall_seconds: float | None


@dataclass(frozen=True)
class RunResult:
    batch: dict[str, Any]
    rows: list[ResultRow]
    results_file: Path

    @property
    def open_recipients(self) -> int:
        """How many recipients have no result yet. Those in review do have one."""
        return sum(self.batch["counts"][name] for name in Recipient.Status.open())


def run_batch(request: RunRequest, *, out: TextIO, is_stopping: Callable[[], bool]) -> RunResult:
    """Upload the list, follow the batch until it ends, and download its results.

    Raises DomainError when the server refuses, when the batch fails or stands still, and when
    `is_stopping` returns True before the batch has ended.
    """
    try:
        email, password = workspace.credentials(request.data_dir / "demo.json")
        demo = workspace.prepare_workspace(request.url, email=email, password=password)
    finally:
        connection.close()  # this thread needs the database no more

    batch = demo.api.upload("/batches", request.file, _batch_fields(demo, request))
    batch = _follow_batch(demo, batch, request, out=out, is_stopping=is_stopping)
    if batch["status"] == Batch.Status.FAILED:
        raise DomainError(f"The batch failed: {batch['error']}")

    results = request.data_dir / "results" / f"{batch['id']}.csv"
    demo.api.download(f"/batches/{batch['id']}/results.csv", results)
    return RunResult(batch, read_results(results), results)


def _batch_fields(demo: workspace.DemoWorkspace, request: RunRequest) -> dict[str, str]:
    fields = {
        "name": request.file.stem,
        "agent_id": demo.agent_id,
        "phone_number_id": demo.phone_number_id,
        "start": "now",
    }
    return {**fields, "default_country": request.country} if request.country else fields


def _follow_batch(
    demo: workspace.DemoWorkspace,
    batch: dict[str, Any],
    request: RunRequest,
    *,
    out: TextIO,
    is_stopping: Callable[[], bool],
) -> dict[str, Any]:
    """Print the progress until the batch has ended; returns the ended batch."""
    path = f"/batches/{batch['id']}"
    current = batch
    changed_at = time.monotonic()
    with closing(Progress(out)) as progress:
        while current["status"] not in Batch.Status.final():
            previous = current
            current = demo.api.get_with_retry(f"{path}/progress", give_up=is_stopping)
            progress.update(current)
            if current["status"] == Batch.Status.PAUSED != previous["status"]:
                cause = demo.api.get(path)["error"] or "by a user"
                progress.print_line(f"Paused: {cause}")
            if _has_changed(previous, current):
                changed_at = time.monotonic()
            _check_stalled(current, request.stall_seconds, since=changed_at)
            if is_stopping():
                raise DomainError("Stopped before the batch had ended")
            time.sleep(DEMO_POLL_SECONDS)
    ended: dict[str, Any] = demo.api.get(path)
    return ended


def _has_changed(previous: dict[str, Any], current: dict[str, Any]) -> bool:
    return any(previous[name] != current[name] for name in ("counts", "status"))


def _check_stalled(progress: dict[str, Any], stall_seconds: float | None, *, since: float) -> None:
    """Raises DomainError when nothing has changed for too long."""
    if stall_seconds is not None and time.monotonic() - since > stall_seconds:
        raise DomainError(f"Nothing has changed for {stall_seconds:.0f} s: {progress['counts']}")
