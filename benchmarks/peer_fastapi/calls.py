"""Routes of calls."""

import uuid
from typing import Any

from fastapi import APIRouter, HTTPException
from sqlalchemy import Row, Select, and_, exists, or_, select

from benchmarks.peer_fastapi.bodies import CallBody, EventBody, NewCall, Page, TranscriptBody
from benchmarks.peer_fastapi.database import SessionOfRequest
from benchmarks.peer_fastapi.login import Caller, CallerOfRequest
from benchmarks.peer_fastapi.paging import (
    PageNumber,
    PageSize,
    build_page,
    count_rows,
    read_page,
)
from benchmarks.peer_fastapi.tables import (
    IS_LISTED,
    Agent,
    AgentVersion,
    AuditEntry,
    Call,
    CallEvent,
    PhoneNumber,
    SipTrunk,
    Suppression,
    Turn,
    utc_now,
    uuid7,
)

router = APIRouter(prefix="/calls")

STATUS_OF_STAGE = {
    "reserved": "queued",
    "intent": "dialing",
    "unknown": "dialing",
    "dialing": "dialing",
    "ringing": "ringing",
    "in_progress": "in_progress",
    "ended": "ended",
}
CALL_VALUES = (
    *(Call.id, Call.direction, Call.from_number, Call.to_number, Call.agent_id),
    AgentVersion.number.label("agent_version"),
    *(Call.batch_id, Call.recipient_id, Call.attempt, Call.stage, Call.outcome, Call.end_reason),
    *(Call.hung_up_by, Call.sip_status_code, Call.sip_status, Call.variables),
    Call.client_metadata.label("client_metadata"),
    *(Call.disposition, Call.disposition_by, Call.usage, Call.cost_micros, Call.latency),
    *(Call.has_recording, Call.created_at),
    *(Call.dialed_at, Call.ringing_at, Call.answered_at, Call.ended_at),
)


def select_calls() -> Select[Any]:
    return select(*CALL_VALUES).outerjoin(AgentVersion, AgentVersion.id == Call.agent_version_id)


def build_call(row: Row[Any]) -> CallBody:
    values = dict(row._mapping)
    started, ended = values["answered_at"], values["ended_at"]
    seconds = None
    if started is not None and ended is not None:
        seconds = round((ended - started).total_seconds(), 3)
    micros = values.pop("cost_micros")
    cost = None if micros is None else {"amount": micros / 1_000_000, "currency": "USD"}
    status = STATUS_OF_STAGE[values.pop("stage")]
    return CallBody(**values, cost=cost, status=status, duration_seconds=seconds)


async def require_call(session: SessionOfRequest, caller: Caller, call_id: uuid.UUID) -> None:
    """Raises HTTPException (404)."""
    query = select(Call.id).where(Call.workspace_id == caller.workspace_id, IS_LISTED)
    if await session.scalar(query.where(Call.id == call_id)) is None:
        raise HTTPException(404, "Call not found")


@router.get("")
async def list_calls(
    session: SessionOfRequest,
    caller: CallerOfRequest,
    outcome: str | None = None,
    page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Page[CallBody]:
    conditions = [Call.workspace_id == caller.workspace_id, IS_LISTED]
    if outcome is not None:
        conditions.append(Call.outcome == outcome)
    total = await count_rows(session, *conditions)
    query = select_calls().where(*conditions).order_by(Call.id.desc())
    rows = await read_page(session, query, page, page_size)
    return build_page(rows, build_call, total, page, page_size)


@router.get("/{call_id}")
async def get_call(
    session: SessionOfRequest, caller: CallerOfRequest, call_id: uuid.UUID
) -> CallBody:
    """Raises HTTPException (404)."""
    query = select_calls().where(
        Call.workspace_id == caller.workspace_id, IS_LISTED, Call.id == call_id
    )
    row = (await session.execute(query)).first()
    if row is None:
        raise HTTPException(404, "Call not found")
    return build_call(row)


@router.get("/{call_id}/events")
async def list_events(
    session: SessionOfRequest,
    caller: CallerOfRequest,
    call_id: uuid.UUID,
    page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Page[EventBody]:
    await require_call(session, caller, call_id)
    condition = CallEvent.call_id == call_id
    total = await count_rows(session, condition)
    columns = (CallEvent.id, CallEvent.type, CallEvent.text, CallEvent.at, CallEvent.data)
    query = select(*columns).where(condition).order_by(CallEvent.at, CallEvent.id)
    rows = await read_page(session, query, page, page_size)
    return build_page(rows, EventBody.model_validate, total, page, page_size)


@router.get("/{call_id}/transcript", response_model_exclude_none=True)
async def get_transcript(
    session: SessionOfRequest, caller: CallerOfRequest, call_id: uuid.UUID
) -> TranscriptBody:
    await require_call(session, caller, call_id)
    spoken = (Turn.role, Turn.text, Turn.started_at, Turn.interrupted)
    columns = (*spoken, Turn.ended_at, Turn.language, Turn.latency)
    query = select(*columns).where(Turn.call_id == call_id).order_by(Turn.started_at, Turn.id)
    return TranscriptBody(turns=(await session.execute(query)).all())


@router.post("", status_code=201)
async def place_call(session: SessionOfRequest, caller: CallerOfRequest, body: NewCall) -> CallBody:
    """Raises HTTPException for what forbids the call (400, 404)."""
    caller.require_manager()
    version = await find_version(session, caller, body)
    number = await find_number(session, caller)
    await require_not_suppressed(session, caller, body.to)
    call_id = uuid7()
    call = Call(
        id=call_id,
        workspace_id=caller.workspace_id,
        agent_id=body.agent_id,
        agent_version_id=version.id,
        number_id=number.id,
        from_number=number.phone_number,
        to_number=body.to,
        variables=body.variables,
        client_metadata=body.metadata,
        room=f"vo-{call_id}",
        created_at=utc_now(),
    )
    session.add(call)
    session.add_all(records_of(call, caller))
    await session.commit()
    row = (await session.execute(select_calls().where(Call.id == call_id))).one()
    return build_call(row)


async def find_version(session: SessionOfRequest, caller: Caller, body: NewCall) -> AgentVersion:
    """Raises HTTPException when agent or variables are missing."""
    published = and_(
        AgentVersion.agent_id == Agent.id, AgentVersion.number == Agent.published_version
    )
    query = select(Agent.id, AgentVersion).outerjoin(AgentVersion, published)
    own = (Agent.workspace_id == caller.workspace_id, Agent.deleted_at.is_(None))
    row = (await session.execute(query.where(Agent.id == body.agent_id, *own))).first()
    if row is None:
        raise HTTPException(404, "Agent not found")
    version = row[1]
    if version is None:
        raise HTTPException(400, "Agent is not published")
    declared = version.config.get("variables") or []
    required = [variable["name"] for variable in declared if variable.get("required")]
    if missing := [name for name in required if not body.variables.get(name)]:
        raise HTTPException(400, f"Missing required variables: {', '.join(missing)}")
    return version


async def find_number(session: SessionOfRequest, caller: Caller) -> PhoneNumber:
    """Raises HTTPException when the workspace has none that can dial."""
    has_trunk = exists().where(
        SipTrunk.phone_number_id == PhoneNumber.id, SipTrunk.direction == "outbound"
    )
    query = select(PhoneNumber).where(
        PhoneNumber.workspace_id == caller.workspace_id, PhoneNumber.status == "active", has_trunk
    )
    number = await session.scalar(query.order_by(PhoneNumber.id.desc()).limit(1))
    if number is None:
        raise HTTPException(400, "The workspace has no active phone number")
    return number


async def require_not_suppressed(session: SessionOfRequest, caller: Caller, number: str) -> None:
    """Raises HTTPException for a number that must not be called."""
    in_force = or_(Suppression.expires_at.is_(None), Suppression.expires_at > utc_now())
    of_number = and_(
        Suppression.workspace_id == caller.workspace_id, Suppression.phone_number == number
    )
    if await session.scalar(select(exists().where(of_number, in_force))):
        raise HTTPException(400, "The number is on the suppression list")


def records_of(call: Call, caller: Caller) -> list[CallEvent | AuditEntry]:
    """What is written beside a call: the first event of its timeline, and the audit entry."""
    event = CallEvent(
        workspace_id=caller.workspace_id,
        call_id=call.id,
        type="queued",
        text=f"A call to {call.to_number} was ordered",
        at=call.created_at,
        data={},
    )
    masked = f"{call.to_number[:5]}{'•' * (len(call.to_number) - 7)}{call.to_number[-2:]}"
    return [event, audit_entry(caller, "call.placed", "call", call.id, {"to": masked})]


def audit_entry(
    caller: Caller, action: str, kind: str, row_id: uuid.UUID, changes: dict[str, Any]
) -> AuditEntry:
    return AuditEntry(
        workspace_id=caller.workspace_id,
        actor_type="user",
        actor_id=caller.user_id,
        actor_name=caller.email,
        action=action,
        object_type=kind,
        object_id=str(row_id),
        ip=caller.ip,
        changes=changes,
    )
