"""What a list would come to, before anything is stored: who would be called, who not and why, how
long it takes.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.conf import settings

from agents.models import Agent
from agents.services import published_version
from batches.dialing.admission import window_of
from batches.domain.suppressed_numbers import find_suppressed
from batches.importing.chunk_writer import required_variables
from batches.importing.columns import SavedColumnMapping
from batches.importing.number_set import PhoneNumberSet
from batches.importing.phones import PhoneParser
from batches.importing.row_validation import Accepted, Rejected, RepairCounter, validate_rows
from batches.importing.saved_mappings import load_saved_mappings
from batches.importing.source import upload_path
from batches.importing.table import Table, open_table
from batches.models import Batch
from batches.reporting.estimate import Pace, estimate_calling
from batches.services.uploads import UploadContent, delete_upload, stored_upload
from telephony.models import PhoneNumber

FIRST_ROWS = 10
CHUNK = 5_000
LONGEST_SECONDS = (
    30.0  # a million rows of odd spellings take longer; whoever waits is told how far it came
)


def preview_list(
    *, content: UploadContent, agent: Agent, phone_number: PhoneNumber, now: datetime, **fields: Any
) -> dict[str, Any]:
    """A new batch's list, read to its end; `fields` are the batch's own. Raises what `create_batch`
    raises.
    """
    batch = Batch(
        workspace=agent.workspace,
        agent=agent,
        agent_version=published_version(agent),
        phone_number=phone_number,
        **fields,
    )
    saved_mappings = load_saved_mappings(batch.workspace_id)
    with stored_upload(
        content, mapping=batch.column_mapping, saved_mappings=saved_mappings
    ) as name:
        try:
            return _read(batch, name, now, saved_mappings)
        finally:
            delete_upload(name)


def _read(
    batch: Batch, name: str, now: datetime, saved_mappings: Sequence[SavedColumnMapping]
) -> dict[str, Any]:
    opened = open_table(
        upload_path(name),
        max_rows=settings.MAX_UPLOAD_ROWS,
        mapping=batch.column_mapping,
        agent_variables=batch.agent_version.variable_names,
        saved_mappings=saved_mappings,
    )
    with opened as table:
        saved = table.columns.saved_mapping
        batch.default_country = batch.default_country or (saved and saved.default_country)
        reader = _Reader(batch, table)
        tally = RepairCounter()
        notes = [
            *table.notes,
            *reader.read_in_time(validate_rows(table, PhoneParser(batch.default_country), tally)),
        ]
    window = window_of(batch)
    calling = estimate_calling(
        reader.callees,
        window=window,
        holidays_country=batch.workspace.holidays_country,
        pace=Pace.of(batch),
        begin=max(now, batch.scheduled_at or now) if batch.start == Batch.Start.SCHEDULED else now,
    )
    return {
        "columns": table.columns.names,
        "column_mapping": table.columns.mapping,
        "column_mapping_id": saved and saved.id,
        "default_country": batch.default_country,
        "notes": notes,
        "counts": reader.counts(repaired=tally.repaired),
        "first_rows": reader.first,
        "first_rejected": reader.first_rejected,
        "not_called": dict(
            reader.reasons
            + Counter({"window_closed": calling["never"]} if calling["never"] else {})
        ),
        "calling": calling,
    }


@dataclass
class _Reader:
    """Counts verdicts as the import would. Grows by 16 to 32 bytes for each different number."""

    batch: Batch
    table: Table
    seen: PhoneNumberSet = field(default_factory=PhoneNumberSet)
    rows: int = 0
    valid: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    callees: Counter[str] = field(
        default_factory=Counter
    )  # by one number of each beginning: it tells the time zone
    examples: dict[str, str] = field(default_factory=dict)
    first: list[dict[str, Any]] = field(default_factory=list)
    first_rejected: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        variables = self.table.columns.variables
        required = required_variables(self.batch)
        self.lacking = [name for name in required if name not in variables]
        self.required = [variables.index(name) for name in required if name in variables]
        workspace = self.batch.workspace
        self.some_are_suppressed = (
            workspace.suppressions.exists() or workspace.erased_numbers.exists()
        )

    def read_in_time(self, verdicts: Iterator[Accepted | Rejected]) -> list[str]:
        """To the end, or as far as half a minute goes: then a note tells how far that was."""
        ends_at = time.monotonic() + LONGEST_SECONDS
        while chunk := list(islice(verdicts, CHUNK)):
            self.read(chunk)
            if len(chunk) == CHUNK and time.monotonic() > ends_at:
                return [
                    f"Only the first {self.rows:,} rows were looked at: the rest is judged when it is read"
                ]
        return []

    def read(self, chunk: list[Accepted | Rejected]) -> None:
        self.rows += len(chunk)
        accepted = [verdict for verdict in chunk if isinstance(verdict, Accepted)]
        numbers = [verdict.phone_number for verdict in accepted]
        suppressed = (
            find_suppressed(self.batch.workspace_id, numbers) if self.some_are_suppressed else set()
        )
        news = self.seen.add(numbers)
        for verdict in chunk:
            if isinstance(verdict, Rejected):
                self._refuse(verdict)
            else:
                self._accept(verdict, self._reason(verdict, suppressed, is_new=next(news)))

    def _reason(self, verdict: Accepted, suppressed: set[str], *, is_new: bool) -> str | None:
        """Why somebody would be skipped, in the order of the import."""
        if not is_new and self.batch.on_duplicate == Batch.OnDuplicate.SKIP:
            return "duplicate"
        if verdict.phone_number in suppressed:
            return "suppressed"
        if self.lacking or any(not str(verdict.cells[at] or "").strip() for at in self.required):
            return "missing_variable"
        return None

    def _accept(self, verdict: Accepted, reason: str | None) -> None:
        if reason is None:
            self.valid += 1
            number = verdict.phone_number
            self.callees[self.examples.setdefault(number[:8], number)] += 1
        else:
            self.reasons[reason] += 1
        if len(self.first) < FIRST_ROWS:
            named = zip(self.table.columns.variables, verdict.cells, strict=False)
            self.first.append(
                {
                    "row_number": verdict.row_number,
                    "phone_number": verdict.phone_number,
                    "variables": {
                        name: cell for name, cell in named if name is not None and cell is not None
                    },
                    "status": "skipped" if reason else "pending",
                    "reason": reason,
                }
            )

    def _refuse(self, verdict: Rejected) -> None:
        self.reasons[verdict.code] += 1
        if len(self.first_rejected) < FIRST_ROWS:
            self.first_rejected.append(
                {
                    "row_number": verdict.row_number,
                    "error_code": verdict.code,
                    "error_message": verdict.message,
                    "values": dict(zip(self.table.columns.names, verdict.cells, strict=False)),
                }
            )

    def counts(self, *, repaired: int) -> dict[str, int]:
        skipped = {
            name: self.reasons[name] for name in ("duplicate", "suppressed", "missing_variable")
        }
        rejected = self.rows - self.valid - sum(skipped.values())
        return {
            "rows": self.rows,
            "valid": self.valid,
            "rejected": rejected,
            **skipped,
            "repaired": repaired,
        }
