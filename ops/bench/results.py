"""The rows and the readers of the results benchmark."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from agents.models import AgentVersion
from batches.models import Batch, Recipient
from batches.reporting import tables
from ops.bench.resource_usage import current_megabytes
from ops.bench.row_copies import copy_row
from telephony.models import Call, Outcome, Stage
from voiceops.core.csv_encoding import encode_csv
from voiceops.core.ids import uuid7
from voiceops.core.xlsx_encoding import encode_xlsx

WRITERS: dict[str, Callable[[Any], Iterator[bytes]]] = {
    "csv": encode_csv,
    "xlsx": encode_xlsx,
}
MEMORY_SAMPLE_ROWS = 1_000
# The columns in which the calls differ. A call has its recipient's id, which sorts by time as the
# ids of calls do.
CALL_DIFFERENCES = {
    "id": "r.id",
    "recipient_id": "r.id",
    "room": "'vo-' || r.id",
    "to_number": "r.phone_number",
}


@dataclass(frozen=True)
class WriteMeasurement:
    """What it took to write one file.

    `first_seconds` is until the first bytes, `size` is in megabytes, `grown` is how many megabytes
    of memory were added after the first tenth of the rows.
    """

    rows: int
    seconds: float
    first_seconds: float
    size: float
    megabytes: float
    grown: float


def complete_recipients(batch: Batch) -> None:
    """Give every recipient one answered call, and mark all of them completed."""
    template = _create_call(batch)
    recipients = f'(SELECT * FROM "{Recipient._meta.db_table}" WHERE batch_id = %s) r'  # noqa: S608
    copy_row(template, CALL_DIFFERENCES, source=recipients, params=[batch.pk])
    template.delete()
    with connection.cursor() as cursor:
        cursor.execute(f'ANALYZE "{Call._meta.db_table}"')
    batch.recipients.update(
        status=Recipient.Status.COMPLETED, outcome=Outcome.ANSWERED, attempts=1, due_at=None
    )


def _create_call(batch: Batch) -> Call:
    pk = uuid7()
    now = timezone.now()
    return Call.unscoped.create(
        pk=pk,
        workspace_id=batch.workspace_id,
        agent=batch.agent,
        agent_version=AgentVersion.unscoped.get(agent=batch.agent),
        batch_id=batch.pk,
        stage=Stage.ENDED,
        outcome=Outcome.ANSWERED,
        sip_status_code=200,
        room=f"vo-{pk}",
        from_number="+12025550100",
        dialed_at=now,
        answered_at=now,
        ended_at=now + timedelta(seconds=41),
        settled_at=now,
        sequence=1,
    )


def write_results(batch: Batch, kind: str) -> WriteMeasurement:
    """Write a results file to its end without keeping it, as the web server does for a client."""
    tenth = batch.recipients.count() // 10
    rows = _SampledRows(tables.result_rows(batch))
    began = time.monotonic()
    first_seconds = 0.0
    size = 0
    for piece in WRITERS[kind](rows):
        first_seconds = first_seconds or time.monotonic() - began
        size += len(piece)
    seconds = time.monotonic() - began

    # The first tenth fills caches and buffers; what grows after it would grow without end.
    peak = max(rows.megabytes)
    early = rows.megabytes[max(tenth // MEMORY_SAMPLE_ROWS - 1, 0)]
    return WriteMeasurement(
        rows=rows.count - 1,  # without the header
        seconds=seconds,
        first_seconds=first_seconds,
        size=size / 1e6,
        megabytes=peak,
        grown=peak - early,
    )


class _SampledRows:
    """Passes rows on, and samples the memory of the process after every thousand."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self._rows = rows
        self.count = 0
        self.megabytes: list[float] = []

    def __iter__(self) -> Iterator[Any]:
        for row in self._rows:
            self.count += 1
            if self.count % MEMORY_SAMPLE_ROWS == 0:
                self.megabytes.append(current_megabytes())
            yield row
