"""What a list would come to, before anything is stored.

A preview says which recipients would be called, which would not and why, and how long it takes.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.conf import settings

from agents.models import Agent
from agents.services import published_version
from batches.dialing.calling_windows import (
    RECIPIENT,
    ZONE_UNKNOWN,
    CallingRules,
    Clock,
    Openings,
    rules_of,
)
from batches.dialing.frequency import find_at_limit, gap_of
from batches.dialing.gaps import find_in_started_batches
from batches.dialing.number_zones import place_of
from batches.domain.suppressed_numbers import find_suppressed
from batches.importing.chunk_writer import is_blank, required_variables
from batches.importing.number_set import PhoneNumberSet
from batches.importing.phones import PhoneParser
from batches.importing.recipient_extras import zones_of_row
from batches.importing.row_validation import (
    Accepted,
    Rejected,
    RepairCounter,
    Verdict,
    validate_rows,
)
from batches.importing.saved_mappings import load_saved_mappings
from batches.importing.skip_reasons import DUPLICATE, MISSING_VARIABLE, SUPPRESSED
from batches.importing.source import upload_path
from batches.importing.table import Table, open_table
from batches.models import Batch
from batches.reporting.cost_estimate import budget_remarks, estimate_cost
from batches.reporting.estimate import Pace, estimate_calling
from batches.reporting.reasons import reason_items
from batches.services.uploads import UploadContent, delete_upload, stored_upload
from telephony.models import PhoneNumber
from voiceops.core.time_zones import MAX_ZONE_CHARACTERS

PREVIEW_ROWS = 10
PREVIEW_CHUNK_ROWS = 1_000
# A million rows of odd spellings take longer: then the preview says how far it came.
MAX_PREVIEW_SECONDS = 25.0  # from the request on: the estimate that follows takes a few more
ANY_TIME = Clock((), "")


def preview_list(
    *, content: UploadContent, agent: Agent, phone_number: PhoneNumber, now: datetime, **fields: Any
) -> dict[str, Any]:
    """Return the contract's preview of a new batch's list; `fields` are the batch's own.

    Raises StateForbids when the agent was never published, Invalid for a list that is too large,
    empty, unreadable or without a phone column.
    """
    # Storing and opening the list count, too.
    began_at = time.monotonic()
    # Never saved: the checks and the estimate read the fields of a batch.
    batch = Batch(
        workspace=agent.workspace,
        agent=agent,
        agent_version=published_version(agent),
        phone_number=phone_number,
        **fields,
    )
    reading: dict[str, Any] = {
        "mapping": batch.column_mapping,
        "saved_mappings": load_saved_mappings(batch.workspace_id),
        "default_country": batch.default_country,
        "hidden_rows": batch.hidden_rows,
    }
    with stored_upload(content, workspace_id=batch.workspace_id, **reading) as name:
        opened = open_table(
            upload_path(name),
            max_rows=settings.MAX_UPLOAD_ROWS,
            agent_variables=batch.agent_version.variable_names,
            **reading,
        )
        try:
            with opened as table:
                return _preview_table(batch, table, now, began_at=began_at)
        finally:
            delete_upload(name)


def _preview_table(batch: Batch, table: Table, now: datetime, *, began_at: float) -> dict[str, Any]:
    saved = table.columns.saved_mapping
    batch.default_country = batch.default_country or (saved and saved.default_country)
    repairs = RepairCounter()
    verdicts = validate_rows(table, PhoneParser(batch.default_country), repairs)
    begin = now
    if batch.start == Batch.Start.SCHEDULED and batch.scheduled_at is not None:
        begin = max(now, batch.scheduled_at)
    tally = _PreviewTally(batch, table, begin, at_limit=find_at_limit(batch, begin))
    tally.began_at = began_at
    remarks = [*table.remarks, *tally.count_in_time(verdicts)]
    remarks += [*repairs.remarks(), *tally.remarks()]

    estimate = estimate_calling(
        tally.recipients, rules=tally.rules, pace=Pace.of(batch), begin=begin
    )
    remarks += _unread_zone_remarks(tally.unread_zones)
    remarks += _zone_remarks(tally.without_zone, estimate.never[ZONE_UNKNOWN], tally.rules)
    estimate.calling["never"] += tally.resting.total()
    reasons = {**tally.reasons, **tally.resting, **estimate.never}
    callable_recipients = estimate.calling["now"] + estimate.calling["later"]
    remarks += budget_remarks(batch, callable_recipients)
    return {
        "columns": table.columns.names,
        "column_mapping": table.columns.mapping,
        "column_mapping_id": saved and saved.id,
        "default_country": batch.default_country,
        "notes": remarks,
        "counts": tally.counts(repaired=repairs.repaired),
        "first_rows": tally.first_rows,
        "first_rejected": tally.first_rejected,
        "not_called": reasons,
        "not_called_reasons": reason_items(reasons),
        "calling": estimate.calling,
        "estimated_cost": estimate_cost(batch, callable_recipients),
    }


def _unread_zone_remarks(unread: Counter[str]) -> list[str]:
    """Name a time zone of the list that was not understood."""
    if not unread:
        return []
    count, example = unread.total(), unread.most_common(1)[0][0]
    return [
        f"{count:,} {'rows have' if count > 1 else 'row has'} a time zone that is not understood, "
        f"for example {example}: write a name such as Europe/Moscow. Until then the zone of the "
        "number counts"
    ]


def _zone_remarks(unknown: int, in_review: int, rules: CallingRules | None) -> list[str]:
    """Say what happens to numbers whose time zone cannot be known, and what helps."""
    if not unknown or rules is None:
        return []
    subject = (
        f"The time zone of {unknown:,} {'numbers is' if unknown > 1 else 'number is'} not known"
    )
    callable_ones = {
        "all": "called only while the calling window is open in every zone they may lie in",
        "workspace": f"called by the clock of the workspace ({rules.workspace_zone})",
    }
    remarks = [
        f"{subject} (toll-free numbers, or mobiles of a country with several zones)",
        "A column with the time zone, for example Europe/Moscow, tells when to call them; without "
        "it the workspace's unknown_zone decides",
    ]
    if unknown > in_review:
        remarks[0] += f": they are {callable_ones[rules.unknown_zone]}"
    if in_review:
        remarks[0] += f"; {in_review:,} of them wait in review (zone_unknown)"
    return [". ".join(remarks)]


@dataclass
class _PreviewTally:
    """Counts verdicts as the import would."""

    batch: Batch
    table: Table
    begin: datetime
    seen: PhoneNumberSet = field(default_factory=PhoneNumberSet)
    began_at: float = field(default_factory=time.monotonic)
    rows: int = 0
    valid: int = 0
    in_other_batches: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first_rows: list[dict[str, Any]] = field(default_factory=list)
    first_rejected: list[dict[str, Any]] = field(default_factory=list)
    recipients: Counter[Clock] = field(default_factory=Counter)
    """How many recipients would be called, by the clock that decides when."""
    without_zone: int = 0
    unread_zones: Counter[str] = field(default_factory=Counter)
    at_limit: dict[str, str] = field(default_factory=dict)
    """Numbers that caps and rests forbid to call, each with which."""
    resting: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rules = rules_of(self.batch)
        self.openings = Openings(self.rules, self.begin)
        variables = self.table.columns.variables
        required = required_variables(self.batch)
        self.lacks_column = any(name not in variables for name in required)
        self.required = [variables.index(name) for name in required if name in variables]
        workspace = self.batch.workspace
        # Most workspaces have none, which spares a query for each chunk.
        self.has_suppressions = workspace.suppressions.exists() or workspace.erased_numbers.exists()

    def count_in_time(self, verdicts: Iterator[Verdict]) -> list[str]:
        """Count all verdicts, or as many as time allows. Returns a note if it was too short."""
        ends_at = self.began_at + MAX_PREVIEW_SECONDS
        while chunk := list(islice(verdicts, PREVIEW_CHUNK_ROWS)):
            self.count(chunk)
            if len(chunk) == PREVIEW_CHUNK_ROWS and time.monotonic() > ends_at:
                return [
                    f"Only the first {self.rows:,} rows were checked for this preview; "
                    "the others are checked when the list is imported"
                ]
        return []

    def count(self, chunk: list[Verdict]) -> None:
        """Count some verdicts."""
        self.rows += len(chunk)
        accepted = [verdict for verdict in chunk if isinstance(verdict, Accepted)]
        numbers = [verdict.phone_number for verdict in accepted]
        suppressed: set[str] = set()
        if self.has_suppressions:
            suppressed = find_suppressed(self.batch.workspace_id, numbers)

        in_started = find_in_started_batches(self.batch.workspace_id, numbers)
        is_new_number = iter(self.seen.add(numbers))
        for verdict in chunk:
            if isinstance(verdict, Rejected):
                self._count_rejected(verdict)
                continue
            reason = self._skip_reason(verdict, suppressed, is_new=next(is_new_number))
            self._count_accepted(verdict, reason)
            if reason is None and verdict.phone_number in in_started:
                self.in_other_batches += 1

    def remarks(self) -> list[str]:
        """Return what else an uploader should know."""
        count = self.in_other_batches
        if not count:
            return []
        subject = f"{count:,} {'of them stand' if count > 1 else 'of them stands'}"
        gap = gap_of(self.batch.workspace)
        if not gap:
            return [f"{subject} in another running batch, too, and may be rung by both"]
        minutes = int(gap.total_seconds()) // 60
        return [
            f"{subject} in another running batch, too: a number that one batch has rung is called "
            f"by the other at least {minutes:,} minutes later"
        ]

    def counts(self, *, repaired: int) -> dict[str, int]:
        """Return the counts of the contract's preview."""
        skipped = {name: self.reasons[name] for name in (DUPLICATE, SUPPRESSED, MISSING_VARIABLE)}
        return {
            "rows": self.rows,
            "valid": self.valid,
            "rejected": self.rows - self.valid - sum(skipped.values()),
            **skipped,
            "repaired": repaired,
        }

    def _skip_reason(self, verdict: Accepted, suppressed: set[str], *, is_new: bool) -> str | None:
        """Return why the recipient would be skipped, checked in the order of the import."""
        if not is_new and self.batch.on_duplicate == Batch.OnDuplicate.SKIP:
            return DUPLICATE
        if verdict.phone_number in suppressed:
            return SUPPRESSED
        if self.lacks_column or any(is_blank(verdict.cells[index]) for index in self.required):
            return MISSING_VARIABLE
        return None

    def _count_accepted(self, verdict: Accepted, reason: str | None) -> None:
        if reason is None:
            self.valid += 1
            self._count_clock(verdict)
        else:
            self.reasons[reason] += 1
        if len(self.first_rows) < PREVIEW_ROWS:
            limit = self.at_limit.get(verdict.phone_number)
            self.first_rows.append(self._recipient(verdict, reason or limit))

    def _first_call_at(self, verdict: Accepted) -> datetime | None:
        return self.openings.find(verdict.phone_number, self._own_zone(verdict)).at

    def _own_zone(self, verdict: Accepted) -> str | None:
        return zones_of_row(verdict, self.table.columns)

    def _count_clock(self, verdict: Accepted) -> None:
        """Count a recipient by when it may be called, or why its number may not be called now."""
        number = verdict.phone_number
        if limit := self.at_limit.get(number):
            self.resting[limit] += 1
            return
        if self.rules is None:
            self.recipients[ANY_TIME] += 1
            return
        own_zone = self._own_zone(verdict)
        self.recipients[self.rules.clock_of(number, own_zone)] += 1
        index = self.table.columns.timezone_index
        if own_zone is None and index is not None and not is_blank(verdict.cells[index]):
            self.unread_zones[str(verdict.cells[index]).strip()[:MAX_ZONE_CHARACTERS]] += 1
        if own_zone is None and self.rules.zone == RECIPIENT and not place_of(number).is_known:
            self.without_zone += 1

    def _recipient(self, verdict: Accepted, reason: str | None) -> dict[str, Any]:
        cells = zip(self.table.columns.variables, verdict.cells, strict=False)
        return {
            "row_number": verdict.row_number,
            "phone_number": verdict.phone_number,
            "variables": {
                name: cell for name, cell in cells if name is not None and cell is not None
            },
            "alternative_numbers": list(verdict.others),
            "status": "skipped" if reason else "pending",
            "reason": reason,
            "first_call_at": None if reason else self._first_call_at(verdict),
        }

    def _count_rejected(self, verdict: Rejected) -> None:
        self.reasons[verdict.code] += 1
        if len(self.first_rejected) < PREVIEW_ROWS:
            self.first_rejected.append(
                {
                    "row_number": verdict.row_number,
                    "error_code": verdict.code,
                    "error_message": verdict.message,
                    "values": dict(zip(self.table.columns.names, verdict.cells, strict=False)),
                }
            )
