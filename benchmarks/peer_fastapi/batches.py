"""Routes of batches and their recipients."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter, HTTPException
from sqlalchemy import Select, func, select

from benchmarks.peer_fastapi.bodies import BatchBody, BatchChanges, Page, RecipientBody
from benchmarks.peer_fastapi.calls import audit_entry
from benchmarks.peer_fastapi.database import SessionOfRequest
from benchmarks.peer_fastapi.login import Caller, CallerOfRequest
from benchmarks.peer_fastapi.paging import (
    PageNumber,
    PageSize,
    build_page,
    count_rows,
    read_page,
)
from benchmarks.peer_fastapi.tables import Batch, Call, PhoneNumber, Recipient, utc_now

router = APIRouter(prefix="/batches")

RECIPIENT_STATUSES = (
    *("pending", "dialing", "in_call", "retrying", "completed", "failed", "skipped"),
    *("cancelled", "review"),
)
# Those of the batch that an answer has as they are stored.
STORED_BATCH_FIELDS = [
    name
    for name in BatchBody.model_fields
    if name not in ("calls_per_second", "max_concurrent_calls", "column_mapping", "counts")
]
Counts = dict[str, int]


def select_batches(caller: Caller) -> Select[Any]:
    query = select(Batch, PhoneNumber.calls_per_second, PhoneNumber.max_concurrent_calls)
    query = query.outerjoin(PhoneNumber, PhoneNumber.id == Batch.phone_number_id)
    return query.where(Batch.workspace_id == caller.workspace_id)


async def count_recipients(
    session: SessionOfRequest, batches: Sequence[Batch]
) -> dict[uuid.UUID, Counts]:
    """The counts of several batches, in one query."""
    query = select(Recipient.batch_id, Recipient.status, func.count())
    query = query.where(Recipient.batch_id.in_([batch.id for batch in batches]))
    found: dict[uuid.UUID, Counts] = {batch.id: {} for batch in batches}
    grouped = query.group_by(Recipient.batch_id, Recipient.status)
    for batch_id, status, count in await session.execute(grouped):
        found[batch_id][status] = count
    counts = {}
    for batch in batches:
        by_status = {status: found[batch.id].get(status, 0) for status in RECIPIENT_STATUSES}
        total = sum(by_status.values())
        counts[batch.id] = {"total": total, **by_status, "rejected": batch.rejected_count}
    return counts


def known_mapping(batch: Batch) -> dict[str, str | None] | None:
    if batch.column_mapping is not None or not batch.columns:
        return batch.column_mapping
    pairs = zip(batch.columns, batch.variable_names, strict=False)
    meanings = {column: "phone_number" if name is None else name for column, name in pairs}
    return {**meanings, **batch.column_roles}


def build_batch(row: Any, counts: dict[uuid.UUID, Counts]) -> BatchBody:
    batch, pace, at_once = row
    return BatchBody(
        **{name: getattr(batch, name) for name in STORED_BATCH_FIELDS},
        column_mapping=known_mapping(batch),
        calls_per_second=pace if batch.calls_per_second is None else batch.calls_per_second,
        max_concurrent_calls=(
            at_once if batch.max_concurrent_calls is None else batch.max_concurrent_calls
        ),
        counts=counts[batch.id],
    )


async def find_batch(session: SessionOfRequest, caller: Caller, batch_id: uuid.UUID) -> Any:
    """Raises HTTPException (404)."""
    row = (await session.execute(select_batches(caller).where(Batch.id == batch_id))).first()
    if row is None:
        raise HTTPException(404, "Batch not found")
    return row


@router.get("")
async def list_batches(
    session: SessionOfRequest,
    caller: CallerOfRequest,
    page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Page[BatchBody]:
    total = await count_rows(session, Batch.workspace_id == caller.workspace_id)
    query = select_batches(caller).order_by(Batch.id.desc())
    rows = await read_page(session, query, page, page_size)
    counts = await count_recipients(session, [row[0] for row in rows])
    return build_page(rows, lambda row: build_batch(row, counts), total, page, page_size)


@router.get("/{batch_id}")
async def get_batch(
    session: SessionOfRequest, caller: CallerOfRequest, batch_id: uuid.UUID
) -> BatchBody:
    row = await find_batch(session, caller, batch_id)
    return build_batch(row, await count_recipients(session, [row[0]]))


@router.patch("/{batch_id}")
async def change_batch(
    session: SessionOfRequest, caller: CallerOfRequest, batch_id: uuid.UUID, body: BatchChanges
) -> BatchBody:
    """Raises HTTPException (400, 404)."""
    caller.require_manager()
    query = select_batches(caller).where(Batch.id == batch_id).with_for_update(of=Batch)
    row = (await session.execute(query)).first()
    if row is None:
        raise HTTPException(404, "Batch not found")
    batch = row[0]
    sent = body.model_dump(exclude_unset=True)
    changes = {name: value for name, value in sent.items() if getattr(batch, name) != value}
    if batch.status in ("completed", "stopped", "failed") and changes.keys() - {"name"}:
        raise HTTPException(400, "Batch has ended")
    if changes:
        steps = {name: {"from": getattr(batch, name), "to": changes[name]} for name in changes}
        for name, value in changes.items():
            setattr(batch, name, value)
        session.add(audit_entry(caller, "batch.updated", "batch", batch.id, steps))
    counts = await count_recipients(session, [batch])
    await session.commit()
    return build_batch(row, counts)


@router.get("/{batch_id}/recipients")
async def list_recipients(
    session: SessionOfRequest,
    caller: CallerOfRequest,
    batch_id: uuid.UUID,
    status: str | None = None,
    page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Page[RecipientBody]:
    [batch, *_] = await find_batch(session, caller, batch_id)
    conditions = [Recipient.batch_id == batch_id]
    if status is not None:
        conditions.append(Recipient.status == status)
    total = await count_rows(session, *conditions)
    query = select(Recipient).where(*conditions).order_by(Recipient.row_number)
    rows = await read_page(session, query, page, page_size)
    calls = await last_calls(session, rows)
    now = utc_now()
    return build_page(
        rows, lambda row: build_recipient(row, batch, calls, now), total, page, page_size
    )


async def last_calls(
    session: SessionOfRequest, rows: Sequence[Recipient]
) -> dict[uuid.UUID | None, uuid.UUID]:
    """Each recipient's last call that was sent, in one query."""
    query = select(Call.recipient_id, Call.id).where(Call.dialed_at.is_not(None))
    of_rows = query.where(Call.recipient_id.in_([row.id for row in rows]))
    # Later attempts replace earlier ones.
    found = (await session.execute(of_rows.order_by(Call.sequence))).all()
    return {row.recipient_id: row.id for row in found}


def build_recipient(
    row: Recipient, batch: Batch, calls: dict[uuid.UUID | None, uuid.UUID], now: datetime
) -> RecipientBody:
    pairs = zip(batch.variable_names, row.values, strict=False)
    is_waiting = row.due_at is not None and (row.status == "retrying" or row.due_at > now)
    return RecipientBody(
        id=row.id,
        row_number=row.row_number,
        phone_number=row.phone_number,
        variables={name: value for name, value in pairs if None not in (name, value)},
        status=row.status,
        reason=row.reason,
        attempts=row.attempts,
        outcome=row.outcome,
        disposition=row.disposition,
        disposition_by=row.disposition_by,
        callback_at=row.callback_at,
        next_attempt_at=row.due_at if is_waiting else None,
        last_call_id=calls.get(row.id),
        external_id=row.external_id,
        alternative_numbers=(row.other_numbers or "").split(),
        priority=row.priority,
        timezone=row.timezone,
    )
