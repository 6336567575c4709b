"""How webhooks and reports move a call, forward only. The caller has locked its row and commits."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.peer_fastapi.tables import Call, CallEvent, Turn, utc_now

BEFORE_CALLEE = ("intent", "unknown")
BEFORE_RINGING = (*BEFORE_CALLEE, "dialing")
BEFORE_ANSWER = (*BEFORE_RINGING, "ringing")
OUTCOMES = {"machine": "voicemail", "screened": "screened"}
HUNG_UP_BY = {"callee_hangup": "callee", "agent_hangup": "agent"}
KEPT = {
    "agent_joined": "The voice agent joined the room",
    "detected": "The agent detected who answered",
    "tool_call": "The agent used a tool",
    "usage": "The agent reported its usage",
    "analysis": "The agent analysed the call",
}


async def apply_webhook(
    session: AsyncSession, call: Call, name: str, participant: dict[str, Any]
) -> None:
    now = utc_now()
    is_callee = participant.get("identity") == f"callee-{call.id}"
    if name == "room_finished":
        end(session, call, now, "room_closed")
        call.room_delete_at = None
    elif is_callee and name == "participant_joined":
        await join(session, call, now)
    elif is_callee:
        status = participant.get("attributes", {}).get("sip.callStatus")
        if call.answered_at is None and status in ("active", "hangup"):
            await answer(session, call, now)
        elif status == "ringing":
            await ring(session, call, now)
        end(session, call, now, "hung_up")


async def apply_report(session: AsyncSession, call: Call, events: Sequence[Any]) -> None:
    was_open = call.stage != "ended"
    for event in events:
        at = min(event.at, utc_now())
        if event.type == "turn":
            await add_turn(session, call, event)
        elif event.type in KEPT:
            if event.type == "detected":
                await answer(session, call, at)
                call.detected = call.detected or event.data["kind"]
            await add_event(session, call, event.type, KEPT[event.type], at, event.data, event.id)
        else:
            await move(session, call, event, at)
    if was_open:
        now = utc_now()
        call.agent_joined_at = call.agent_joined_at or now
        call.agent_seen_at = call.heard_at = now


async def move(session: AsyncSession, call: Call, event: Any, at: datetime) -> None:
    if event.type == "callee_joined":
        await join(session, call, at)
    elif event.type == "agent_alive" and event.data.get("callee_status") == "ringing":
        await ring(session, call, at)
    elif event.type == "callee_answered":
        await answer(session, call, at)
    elif event.type in ("callee_left", "ended"):
        reason = str(event.data.get("reason", ""))[:64]
        by = HUNG_UP_BY.get(reason)
        if by is None:
            return
        await answer(session, call, at)
        if not end(session, call, at, reason, by) and call.hung_up_by is None:
            call.hung_up_by, call.end_reason = by, reason


async def join(session: AsyncSession, call: Call, at: datetime) -> None:
    if call.stage in BEFORE_CALLEE:
        call.stage, call.dialed_at = "dialing", call.dialed_at or at
        await add_dialing(session, call, at)
    call.callee_joined_at = call.callee_joined_at or at
    call.heard_at = at


async def ring(session: AsyncSession, call: Call, at: datetime) -> None:
    if call.ringing_at is not None:
        return
    if call.stage in BEFORE_RINGING:
        call.stage, call.dialed_at = "ringing", call.dialed_at or at
    call.ringing_at = call.heard_at = at
    await add_event(session, call, "ringing", f"{call.to_number} is ringing", at)


async def answer(session: AsyncSession, call: Call, at: datetime) -> None:
    if call.stage not in BEFORE_ANSWER:
        return
    if call.stage in BEFORE_CALLEE:
        await add_dialing(session, call, at)
    call.stage, call.dialed_at = "in_progress", call.dialed_at or at
    call.answered_at = call.heard_at = at
    call.sip_status_code, call.sip_status = 200, "OK"
    await add_event(session, call, "answered", f"{call.to_number} answered", at)


def end(
    session: AsyncSession, call: Call, at: datetime, reason: str, by: str | None = None
) -> bool:
    """Whether the call was up, and has ended now."""
    if call.stage != "in_progress":
        return False
    call.stage, call.end_reason, call.hung_up_by = "ended", reason, by
    call.outcome = OUTCOMES.get(call.detected or "", "answered")
    call.ended_at = call.heard_at = call.room_delete_at = at
    data = {"outcome": call.outcome, "reason": reason}
    session.add(
        CallEvent(
            workspace_id=call.workspace_id,
            call_id=call.id,
            type="ended",
            text="The call ended",
            at=at,
            data=data,
        )
    )
    return True


async def add_dialing(session: AsyncSession, call: Call, at: datetime) -> None:
    text = f"Calling {call.to_number}"
    await add_event(session, call, "dialing", text, at, external_id="vo:dialing")


async def add_event(
    session: AsyncSession,
    call: Call,
    kind: str,
    text: str,
    at: datetime,
    data: dict[str, Any] | None = None,
    external_id: str | None = None,
) -> None:
    """Add to the timeline; an event that is known by its id stays as it is."""
    row = insert(CallEvent).values(
        workspace_id=call.workspace_id,
        call_id=call.id,
        type=kind,
        text=text,
        at=at,
        data=data or {},
        external_id=external_id,
    )
    await session.execute(row.on_conflict_do_nothing())


async def add_turn(session: AsyncSession, call: Call, event: Any) -> None:
    started_at = event.data.get("started_at")
    row = insert(Turn).values(
        workspace_id=call.workspace_id,
        call_id=call.id,
        role=event.data["role"],
        text=event.data["text"],
        started_at=datetime.fromisoformat(started_at) if started_at else event.at,
        interrupted=bool(event.data.get("interrupted")),
        external_id=event.id,
    )
    await session.execute(row.on_conflict_do_nothing())
