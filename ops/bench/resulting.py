"""The batch and the readers of the benchmark of results."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from agents.models import AgentVersion
from batches.models import Batch, Recipient
from batches.reporting import csv_writer, tables, xlsx
from ops.bench.copies import copy_row
from ops.bench.meter import megabytes_now
from telephony.models import Call, Outcome, Stage
from voiceops.core.ids import uuid7

WRITERS: dict[str, Callable[[Any], Iterator[bytes]]] = {
    "csv": csv_writer.encode_csv,
    "xlsx": xlsx.encode_xlsx,
}
LOOK_EVERY = 1_000  # rows
OF_EACH = {
    "id": "r.id",
    "recipient_id": "r.id",
    "room": "'vo-' || r.id",
    "to_number": "r.phone_number",
}


@dataclass(frozen=True)
class Written:
    """What it took to write one file to its end. `grown`: megabytes of memory since a tenth of the
    rows was written.
    """

    rows: int
    seconds: float
    first_seconds: float
    size: float
    megabytes: float
    grown: float


def call_everybody(batch: Batch) -> None:
    """A call for every recipient, one like the other.

    They take their people's ids, which sort by time as ids of calls do.
    """
    template = _call_of(batch)
    people = f'(SELECT * FROM "{Recipient._meta.db_table}" WHERE batch_id = %s) r'  # noqa: S608
    copy_row(template, OF_EACH, beside=people, params=[batch.pk])
    template.delete()
    with connection.cursor() as cursor:
        cursor.execute(f'ANALYZE "{Call._meta.db_table}"')
    batch.recipients.update(
        status=Recipient.Status.COMPLETED, outcome=Outcome.ANSWERED, attempts=1, due_at=None
    )


def _call_of(batch: Batch) -> Call:
    pk, now = uuid7(), timezone.now()
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


def write(batch: Batch, kind: str) -> Written:
    """Write the results to their end and keep nothing, as the web server does for a client."""
    tenth = batch.recipients.count() // 10
    counted = _Counted(tables.result_rows(batch))
    began = time.monotonic()
    first, size = 0.0, 0
    for piece in WRITERS[kind](counted):
        first = first or time.monotonic() - began
        size += len(piece)
    peak, early = max(counted.megabytes), counted.megabytes[max(tenth // LOOK_EVERY - 1, 0)]
    told = Written(counted.rows, time.monotonic() - began, first, size / 1e6, peak, peak - early)
    return replace(told, rows=told.rows - 1)  # the header


class _Counted:
    """Rows passed on, with the memory of the process after every thousand."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self._given = rows
        self.rows = 0
        self.megabytes: list[float] = []

    def __iter__(self) -> Iterator[Any]:
        for row in self._given:
            self.rows += 1
            if self.rows % LOOK_EVERY == 0:
                self.megabytes.append(megabytes_now())
            yield row
