"""LiveKit and the owner of the work, played in memory, for direct tests of dialing."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from django.utils import timezone
from livekit import api

from telephony.models import Call, InboxEvent


class FakeLiveKit:
    """Plays the official client: what our wrapper sends is recorded, and answered as asked.

    `failures` has the exception that a method raises; `callees` who is in a room; `answer` what a
    dial returns, or raises.
    """

    def __init__(self) -> None:
        self.api = SimpleNamespace(room=self, sip=self)
        self.created: list[api.CreateRoomRequest] = []
        self.deleted: list[str] = []
        self.dialled: list[api.CreateSIPParticipantRequest] = []
        self.tokens: list[str] = []
        self.failures: dict[str, Exception] = {}
        self.participants: dict[str, list[api.ParticipantInfo]] = {}
        self.answer: Exception | str = "SCL_1"
        self.rings_until: asyncio.Event | None = None

    def with_token(self, token: str) -> Any:
        self.tokens.append(token)
        return self.api

    async def create_room(self, request: api.CreateRoomRequest) -> None:
        self._fail("create_room")
        self.created.append(request)

    async def delete_room(self, request: api.DeleteRoomRequest) -> None:
        self._fail("delete_room")
        self.deleted.append(request.room)

    async def list_participants(
        self, request: api.ListParticipantsRequest
    ) -> api.ListParticipantsResponse:
        self._fail("list_participants")
        present = self.participants.get(request.room, [])
        return api.ListParticipantsResponse(participants=present)

    async def list_rooms(self, request: api.ListRoomsRequest) -> api.ListRoomsResponse:
        self._fail("list_rooms")
        return api.ListRoomsResponse()

    async def create_sip_participant(
        self, request: api.CreateSIPParticipantRequest, *, timeout: float
    ) -> Any:
        self.dialled.append(request)
        if self.rings_until is not None:
            await self.rings_until.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return SimpleNamespace(sip_call_id=self.answer)

    def _fail(self, method: str) -> None:
        if method in self.failures:
            raise self.failures[method]


def server_error(
    status: int, code: str = "unknown", message: str = "", **metadata: str
) -> api.ServerError:
    return api.ServerError(code, message, status=status, metadata=metadata)


def busy() -> api.ServerError:
    return server_error(
        429, "resource_exhausted", "busy", sip_status_code="486", sip_status="Busy Here"
    )


def callee_of(call: Call, status: str = "") -> api.ParticipantInfo:
    return api.ParticipantInfo(
        identity=call.callee_identity,
        kind=api.ParticipantInfo.Kind.SIP,
        attributes={"sip.callStatus": status},
    )


def left_webhook(call: Call, status: str) -> InboxEvent:
    """LiveKit's webhook of the callee's departure, stored."""
    participant = {"identity": call.callee_identity, "attributes": {"sip.callStatus": status}}
    return InboxEvent.objects.create(
        event_id=f"EV_{call.pk}",
        event="participant_left",
        room=call.room,
        body={"participant": participant},
        received_at=timezone.now(),
        applied_at=timezone.now(),
    )


@dataclass
class FakeGate:
    """Plays the app above: refuses and delays the calls that a test names."""

    refusals: dict[UUID, str] = field(default_factory=dict)
    allowed_at: dict[UUID, datetime] = field(default_factory=dict)
    admitted: list[UUID] = field(default_factory=list)
    slots: dict[UUID, datetime] = field(default_factory=dict)
    saves: int = 0

    def admit(self, calls: Sequence[Call]) -> "FakeGate":
        self.admitted += [call.pk for call in calls]
        return self

    def own_pace(self, calls: Sequence[Call]) -> "FakeGate":
        return self

    def refusal(self, call: Call, now: datetime) -> str | None:
        return self.refusals.get(call.pk)

    def next_allowed_at(self, call: Call) -> datetime | None:
        return self.allowed_at.get(call.pk)

    def record_slot(self, call: Call, slot: datetime) -> None:
        self.slots[call.pk] = slot

    def save(self) -> None:
        self.saves += 1


class InlineDatabase:
    """Plays an OrmThread on the test's own connection; `failures`: what a function raises once."""

    def __init__(self) -> None:
        self.failures: dict[str, Exception] = {}

    async def __call__(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        if error := self.failures.pop(function.__name__, None):
            raise error
        return function(*arguments, **named)
