"""A batch again: a new list of its recipients, or of those that were not reached."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from django.db.models import Q, QuerySet

from accounts import audit
from accounts.auth.principal import Principal
from accounts.calling_profiles import FREQUENCY_LIMITS
from accounts.services.erased_numbers import ERASED_PLACEHOLDER
from batches.models import Batch, Recipient
from batches.services.batches import STILL_VALIDATING
from batches.services.create import create_batch
from telephony.models import Outcome
from voiceops.core.errors import StateForbids

ALL, UNREACHED = "all", "unreached"
NO_MATCH = "No recipient of the batch matches"
COPY_SUFFIX = " (copy)"
MAX_BATCH_NAME_LENGTH = 200
CLONE_CHUNK_ROWS = 2_000
CLONED_FIELDS = (
    "default_country",
    "calling_window",
    "calls_per_second",
    "max_concurrent_calls",
    "max_cost",
    *FREQUENCY_LIMITS,
    "retry",
    "on_duplicate",
    "priority",
)


def clone_batch(
    *, batch: Batch, only: str | Sequence[str] = ALL, principal: Principal | None = None
) -> Batch:
    """Create a batch with the settings and recipients of another; it is started by an order.

    `only` is `all`, `unreached` (nobody talked to the agent), or the outcomes to call again. The
    rows are read in the background as they were uploaded, so that suppressions and the agent's
    published version hold as for any new list.

    Raises StateForbids while the list is being read, without a match, and when agent or number
    cannot be used any more.
    """
    if batch.status == Batch.Status.VALIDATING or batch.upload:
        raise StateForbids(STILL_VALIDATING)
    if batch.agent.deleted_at is not None:
        raise StateForbids("The batch's agent was deleted")
    if batch.phone_number is None:
        raise StateForbids("The batch's phone number was deleted")
    recipients = matching_recipients(batch, only)
    if not recipients.exists():
        raise StateForbids(NO_MATCH)
    clone = create_batch(
        agent=batch.agent,
        phone_number=batch.phone_number,
        content=encode_rows(batch, recipients),
        principal=principal,
        name=batch.name[: MAX_BATCH_NAME_LENGTH - len(COPY_SUFFIX)] + COPY_SUFFIX,
        column_mapping=batch.known_mapping,
        **{name: getattr(batch, name) for name in CLONED_FIELDS},
    )
    changes = {"batch_id": str(clone.pk), "only": only if isinstance(only, str) else list(only)}
    audit.record("batch.cloned", principal=principal, target=batch, changes=changes)
    return clone


def matching_recipients(batch: Batch, only: str | Sequence[str]) -> QuerySet[Recipient]:
    """Return the recipients that `only` names. Erased ones and rows of duplicates are left out."""
    recipients = batch.recipients.exclude(phone_number=ERASED_PLACEHOLDER)
    if only == ALL:
        return recipients
    recipients = recipients.exclude(status=Recipient.Status.SKIPPED, reason="duplicate")
    if only == UNREACHED:
        # Whoever is being called, or may have been, is not known to be unreached.
        uncertain = (*Recipient.Status.calling(), Recipient.Status.REVIEW)
        reached = Q(outcome=Outcome.ANSWERED, status__in=Recipient.Status.with_outcome())
        return recipients.exclude(status__in=uncertain).exclude(reached)
    return recipients.filter(outcome__in=list(only), status__in=Recipient.Status.with_outcome())


def encode_rows(batch: Batch, recipients: QuerySet[Recipient]) -> Iterator[bytes]:
    """Yield the recipients' uploaded cells as CSV, in file order, with the batch's columns."""
    yield _encode([batch.columns])
    width = len(batch.columns)
    rows = recipients.order_by("row_number").values_list("row_number", "values")
    last_row = -1
    while chunk := list(rows.filter(row_number__gt=last_row)[:CLONE_CHUNK_ROWS]):
        yield _encode(
            [
                [_text(cell) for cell in [*values[:width], *[None] * (width - len(values))]]
                for _, values in chunk
            ]
        )
        last_row = chunk[-1][0]


def _encode(rows: Sequence[Sequence[str]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode()


def _text(cell: Any) -> str:
    """Return a cell as text; JSON lists may have others."""
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else orjson.dumps(cell).decode()
