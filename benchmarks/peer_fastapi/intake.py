"""Routes that machines post to: LiveKit's webhooks and the agents' reports."""

import base64
import hashlib
import hmac
import os
import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

import jwt
import orjson
from fastapi import APIRouter, Depends, Header, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from benchmarks.peer_fastapi import call_changes
from benchmarks.peer_fastapi.database import SessionOfRequest
from benchmarks.peer_fastapi.tables import Call, InboxEvent, utc_now

KEY, SECRET = os.environ["LIVEKIT_API_KEY"], os.environ["LIVEKIT_API_SECRET"]
# The key of Django's signer, with which the agents' tokens are made.
REPORT_KEY = hashlib.sha256(b"telephony.reportsigner" + os.environ["SECRET_KEY"].encode()).digest()
LEFT = ("participant_left", "participant_connection_aborted")
STORED = ("participant_joined", "room_finished", "track_published", *LEFT)

router = APIRouter()


async def read_event(request: Request, authorization: Annotated[str, Header()]) -> dict[str, Any]:
    """Return the signed event. Raises HTTPException (401)."""
    body = await request.body()
    try:
        claims = jwt.decode(
            authorization, SECRET, ["HS256"], issuer=KEY, leeway=60, options={"require": ["exp"]}
        )
        signed = base64.b64decode(claims["sha256"])
    except (jwt.InvalidTokenError, KeyError, ValueError) as error:
        raise HTTPException(401, "Invalid or missing token") from error
    if not hmac.compare_digest(signed, hashlib.sha256(body).digest()):
        raise HTTPException(401, "Invalid or missing token")
    event: dict[str, Any] = orjson.loads(body)
    return event


@router.post("/livekit/webhook")
async def receive_webhook(
    session: SessionOfRequest, event: Annotated[dict[str, Any], Depends(read_event)]
) -> dict[str, str]:
    """Store the event once, and apply it in the same transaction."""
    name, room = event["event"], event.get("room", {}).get("name", "")
    participant = event.get("participant", {})
    if name in STORED and room.startswith("vo-"):
        if participant.get("kind") == "AGENT":
            await record_agent_presence(session, name, room)
        elif await store(session, event, room) and name != "track_published":
            query = select(Call).where(Call.room == room).with_for_update()
            call = await session.scalar(query)
            if call is not None:
                await call_changes.apply_webhook(session, call, name, participant)
        await session.commit()
    return {"detail": "Received"}


async def record_agent_presence(session: SessionOfRequest, name: str, room: str) -> None:
    open_call = update(Call).where(Call.room == room, Call.stage != "ended")
    if name in LEFT:
        await session.execute(open_call.values(agent_left_at=utc_now()))
    elif name == "participant_joined":
        gone = open_call.where(Call.agent_left_at.is_not(None))
        await session.execute(gone.values(agent_left_at=None))


async def store(session: SessionOfRequest, event: dict[str, Any], room: str) -> bool:
    """Whether the event was not known yet."""
    event["room"].pop("turnPassword", None)
    now = utc_now()
    row = insert(InboxEvent).values(
        id=event["id"],
        event=event["event"],
        room=room,
        body=event,
        received_at=now,
        applied_at=now,
    )
    inserted = row.on_conflict_do_nothing().returning(InboxEvent.id)
    return await session.scalar(inserted) is not None


class ReportedEvent(BaseModel):
    """What all events have; the others have fields of their own, as a full version would list."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(min_length=1, max_length=128)
    type: Literal[
        "agent_joined",
        "agent_alive",
        "callee_joined",
        "callee_answered",
        "detected",
        "turn",
        "tool_call",
        "usage",
        "callee_left",
        "ended",
        "analysis",
    ]
    at: datetime

    @property
    def data(self) -> dict[str, Any]:
        return self.model_extra or {}


class Report(BaseModel):
    events: list[ReportedEvent] = Field(max_length=1000)


def check_token(call_id: uuid.UUID, authorization: Annotated[str, Header()]) -> None:
    """Raises HTTPException (401)."""
    digest = hmac.digest(REPORT_KEY, str(call_id).encode(), "sha256")
    expected = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if not hmac.compare_digest(authorization, f"Bearer {expected}"):
        raise HTTPException(401, "Invalid or missing token")


@router.post("/calls/{call_id}/report", dependencies=[Depends(check_token)])
async def receive_report(
    session: SessionOfRequest, call_id: uuid.UUID, report: Report
) -> dict[str, str]:
    """Raises HTTPException (404)."""
    if all(event.type == "agent_alive" and not event.data for event in report.events):
        goes_on = await record_signs_of_life(session, call_id, report)
    else:
        call = await session.scalar(select(Call).where(Call.id == call_id).with_for_update())
        if call is None:
            raise HTTPException(404, "Call not found")
        goes_on = call.stage != "ended"
        await call_changes.apply_report(session, call, report.events)
    await session.commit()
    return {"detail": "Received" if goes_on else "Call has ended"}


async def record_signs_of_life(
    session: SessionOfRequest, call_id: uuid.UUID, report: Report
) -> bool:
    """Whether the call goes on. Raises HTTPException (404)."""
    seen_at = func.least(max(event.at for event in report.events), func.now())
    alive = (
        update(Call)
        .where(Call.id == call_id, Call.stage != "ended")
        .values(
            agent_joined_at=func.coalesce(Call.agent_joined_at, func.now()),
            agent_seen_at=func.greatest(func.coalesce(Call.agent_seen_at, seen_at), seen_at),
            agent_heard_at=func.now(),
            heard_at=func.now(),
        )
        .returning(Call.id)
    )
    if await session.scalar(alive) is not None:
        return True
    if await session.scalar(select(Call.id).where(Call.id == call_id)) is None:
        raise HTTPException(404, "Call not found")
    return False
