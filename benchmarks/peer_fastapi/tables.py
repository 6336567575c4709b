"""The tables of VoiceOps, as far as the peer reads and writes them."""

import os
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ForeignKey, or_
from sqlalchemy.dialects.postgresql import INET, JSONB, TIMESTAMP, UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def uuid7() -> uuid.UUID:
    """A new UUID that sorts by time (RFC 9562), as the ids of all tables do."""
    milliseconds = time.time_ns() // 1_000_000
    tail = int.from_bytes(os.urandom(10), "big")
    number = (milliseconds << 80) | (tail & ((1 << 80) - 1))
    number = (number & ~(0xF << 76)) | (0x7 << 76)
    return uuid.UUID(int=(number & ~(0x3 << 62)) | (0x2 << 62))


def utc_now() -> datetime:
    return datetime.now(UTC)


class Table(DeclarativeBase):
    type_annotation_map = {
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        uuid.UUID: UUID(as_uuid=True),
    }

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)


class Workspace(Table):
    __tablename__ = "accounts_workspace"

    max_calls_per_day: Mapped[int | None]


class User(Table):
    __tablename__ = "accounts_user"

    email: Mapped[str]
    is_active: Mapped[bool]
    default_workspace_id: Mapped[uuid.UUID | None]


class Membership(Table):
    __tablename__ = "accounts_membership"

    workspace_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts_workspace.id"))
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("accounts_user.id"))
    role: Mapped[int]


class LoginSession(Table):
    __tablename__ = "accounts_session"

    user_id: Mapped[uuid.UUID]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class AuditEntry(Table):
    __tablename__ = "accounts_auditentry"

    workspace_id: Mapped[uuid.UUID | None]
    actor_type: Mapped[str]
    actor_id: Mapped[uuid.UUID | None]
    actor_name: Mapped[str]
    action: Mapped[str]
    object_type: Mapped[str]
    object_id: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=utc_now)
    ip: Mapped[str | None] = mapped_column(INET)
    changes: Mapped[dict[str, Any]]


class Agent(Table):
    __tablename__ = "agents_agent"

    workspace_id: Mapped[uuid.UUID]
    name: Mapped[str]
    system_prompt: Mapped[str]
    first_message: Mapped[str]
    language: Mapped[str]
    llm: Mapped[dict[str, Any]]
    stt: Mapped[dict[str, Any]]
    tts: Mapped[dict[str, Any]]
    tools: Mapped[list[Any]]
    variables: Mapped[list[Any]]
    voicemail: Mapped[dict[str, Any]]
    max_call_duration_seconds: Mapped[int]
    silence_timeout_seconds: Mapped[int]
    ringing_timeout_seconds: Mapped[int]
    recording_enabled: Mapped[bool]
    analysis: Mapped[dict[str, Any]]
    dispositions: Mapped[list[Any] | None] = mapped_column(JSONB)
    first_message_mode: Mapped[str | None]
    turn_taking: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    interruptions: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    silence: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    screening: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    background: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    version: Mapped[int]
    published_version: Mapped[int | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class AgentVersion(Table):
    __tablename__ = "agents_agentversion"

    agent_id: Mapped[uuid.UUID]
    number: Mapped[int]
    config: Mapped[dict[str, Any]]


class PhoneNumber(Table):
    __tablename__ = "telephony_phonenumber"

    workspace_id: Mapped[uuid.UUID]
    phone_number: Mapped[str]
    status: Mapped[str]
    calls_per_second: Mapped[float]
    max_concurrent_calls: Mapped[int]


class SipTrunk(Table):
    __tablename__ = "telephony_siptrunk"

    phone_number_id: Mapped[uuid.UUID | None]
    direction: Mapped[str]


class Call(Table):
    __tablename__ = "telephony_call"

    workspace_id: Mapped[uuid.UUID]
    direction: Mapped[str] = mapped_column(default="outbound")
    stage: Mapped[str] = mapped_column(default="reserved")
    outcome: Mapped[str | None]
    end_reason: Mapped[str | None]
    hung_up_by: Mapped[str | None]
    agent_id: Mapped[uuid.UUID | None]
    agent_version_id: Mapped[uuid.UUID | None]
    number_id: Mapped[uuid.UUID | None]
    from_number: Mapped[str]
    to_number: Mapped[str]
    variables: Mapped[dict[str, Any]]
    # `metadata` is SQLAlchemy's own.
    client_metadata: Mapped[dict[str, Any]] = mapped_column("metadata")
    batch_id: Mapped[uuid.UUID | None]
    recipient_id: Mapped[uuid.UUID | None]
    sequence: Mapped[int] = mapped_column(default=1)
    attempt: Mapped[int] = mapped_column(default=1)
    counts: Mapped[bool] = mapped_column(default=True)
    room: Mapped[str]
    sip_call_id: Mapped[str] = mapped_column(default="")
    sip_status_code: Mapped[int | None]
    sip_status: Mapped[str | None]
    disposition: Mapped[str | None]
    disposition_by: Mapped[str | None]
    usage: Mapped[list[Any] | None] = mapped_column(JSONB)
    cost_micros: Mapped[int | None]
    latency: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    has_recording: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    dialed_at: Mapped[datetime | None]
    ringing_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    heard_at: Mapped[datetime | None]
    room_delete_at: Mapped[datetime | None]
    agent_joined_at: Mapped[datetime | None]
    agent_seen_at: Mapped[datetime | None]
    agent_heard_at: Mapped[datetime | None]
    agent_left_at: Mapped[datetime | None]
    callee_joined_at: Mapped[datetime | None]
    detected: Mapped[str | None]


# A batch's attempt that was never sent is not listed. The lists' indexes hold the other rows alone.
IS_LISTED = or_(Call.batch_id.is_(None), Call.dialed_at.is_not(None))


class CallEvent(Table):
    __tablename__ = "telephony_callevent"

    workspace_id: Mapped[uuid.UUID]
    call_id: Mapped[uuid.UUID]
    type: Mapped[str]
    text: Mapped[str]
    at: Mapped[datetime]
    data: Mapped[dict[str, Any]]
    external_id: Mapped[str | None]


class InboxEvent(Table):
    __tablename__ = "telephony_inboxevent"

    id: Mapped[str] = mapped_column("event_id", primary_key=True)
    event: Mapped[str]
    room: Mapped[str]
    body: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]


class Turn(Table):
    __tablename__ = "telephony_turn"

    workspace_id: Mapped[uuid.UUID]
    call_id: Mapped[uuid.UUID]
    role: Mapped[str]
    text: Mapped[str]
    started_at: Mapped[datetime]
    interrupted: Mapped[bool]
    ended_at: Mapped[datetime | None]
    language: Mapped[str | None]
    latency: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    external_id: Mapped[str]


class Batch(Table):
    __tablename__ = "batches_batch"

    workspace_id: Mapped[uuid.UUID]
    name: Mapped[str]
    agent_id: Mapped[uuid.UUID]
    phone_number_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("telephony_phonenumber.id")
    )
    status: Mapped[str]
    error: Mapped[str | None]
    column_mapping: Mapped[dict[str, Any] | None]
    default_country: Mapped[str | None]
    start: Mapped[str]
    scheduled_at: Mapped[datetime | None]
    calling_window: Mapped[dict[str, Any] | None]
    calls_per_second: Mapped[float | None]
    max_concurrent_calls: Mapped[int | None]
    max_cost: Mapped[dict[str, Any] | None]
    max_attempts_per_day: Mapped[int | None]
    max_attempts_per_week: Mapped[int | None]
    max_attempts_per_30_days: Mapped[int | None]
    rest_days_after_answer: Mapped[int | None]
    rest_days_after_refusal: Mapped[int | None]
    retry: Mapped[dict[str, Any]]
    priority: Mapped[int]
    on_duplicate: Mapped[str]
    hidden_rows: Mapped[str]
    columns: Mapped[list[Any]]
    column_roles: Mapped[dict[str, Any]]
    variable_names: Mapped[list[Any]]
    rejected_count: Mapped[int]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class Recipient(Table):
    __tablename__ = "batches_recipient"

    batch_id: Mapped[uuid.UUID]
    row_number: Mapped[int]
    phone_number: Mapped[str]
    values: Mapped[list[Any]]
    status: Mapped[str]
    reason: Mapped[str | None]
    attempts: Mapped[int]
    outcome: Mapped[str | None]
    disposition: Mapped[str | None]
    disposition_by: Mapped[str | None]
    due_at: Mapped[datetime | None]
    callback_at: Mapped[datetime | None]
    external_id: Mapped[str | None]
    other_numbers: Mapped[str | None]
    priority: Mapped[int]
    timezone: Mapped[str | None]


class Suppression(Table):
    __tablename__ = "batches_suppression"

    workspace_id: Mapped[uuid.UUID]
    phone_number: Mapped[str]
    reason: Mapped[str]
    source: Mapped[str]
    proof: Mapped[str]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class WebhookEndpoint(Table):
    __tablename__ = "webhooks_webhookendpoint"

    workspace_id: Mapped[uuid.UUID]
    url: Mapped[str]
    description: Mapped[str]
    events: Mapped[list[Any]]
    is_enabled: Mapped[bool]
    disabled_reason: Mapped[str | None]
    failing_since: Mapped[datetime | None]
    created_at: Mapped[datetime]
