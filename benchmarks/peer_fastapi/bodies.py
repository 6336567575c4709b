"""Bodies of requests and answers. A test compares their fields with those of our serializers."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import phonenumbers
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Item = TypeVar("Item")


class Body(BaseModel):
    """Read from rows by their attributes."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)


class Page(BaseModel, Generic[Item]):
    items: list[Item]
    total: int
    page: int
    page_size: int
    total_pages: int


class CallBody(Body):
    id: uuid.UUID
    direction: str
    from_number: str = Field(serialization_alias="from")
    to_number: str = Field(serialization_alias="to")
    agent_id: uuid.UUID | None
    agent_version: int | None
    batch_id: uuid.UUID | None
    recipient_id: uuid.UUID | None
    attempt: int
    status: str
    outcome: str | None
    end_reason: str | None
    hung_up_by: str | None
    sip_status_code: int | None
    sip_status: str | None
    variables: dict[str, Any]
    client_metadata: dict[str, Any] = Field(serialization_alias="metadata")
    disposition: str | None
    disposition_by: str | None
    usage: list[dict[str, Any]] | None
    cost: dict[str, Any] | None
    latency: dict[str, Any] | None
    has_recording: bool
    created_at: datetime
    dialed_at: datetime | None
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    duration_seconds: float | None


class EventBody(Body):
    id: uuid.UUID
    type: str
    text: str
    at: datetime
    data: dict[str, Any]


class TurnBody(Body):
    role: str
    text: str
    started_at: datetime
    interrupted: bool
    # Left out of the answer where the agent reported none.
    ended_at: datetime | None
    language: str | None
    latency: dict[str, float] | None


class TranscriptBody(Body):
    turns: list[TurnBody]


class BatchBody(Body):
    id: uuid.UUID
    name: str
    agent_id: uuid.UUID
    phone_number_id: uuid.UUID | None
    status: str
    error: str | None
    column_mapping: dict[str, str | None] | None
    default_country: str | None
    start: str
    scheduled_at: datetime | None
    calling_window: dict[str, Any] | None
    calls_per_second: float | None
    max_concurrent_calls: int | None
    max_cost: float | dict[str, Any] | None
    max_attempts_per_day: int | None
    max_attempts_per_week: int | None
    max_attempts_per_30_days: int | None
    rest_days_after_answer: int | None
    rest_days_after_refusal: int | None
    retry: dict[str, Any]
    priority: int
    on_duplicate: str
    hidden_rows: str
    counts: dict[str, int]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class RecipientBody(Body):
    id: uuid.UUID
    row_number: int
    phone_number: str
    variables: dict[str, Any]
    status: str
    reason: str | None
    attempts: int
    outcome: str | None
    disposition: str | None
    disposition_by: str | None
    callback_at: datetime | None
    next_attempt_at: datetime | None
    last_call_id: uuid.UUID | None
    external_id: str | None
    alternative_numbers: list[str]
    priority: int
    timezone: str | None


class AgentBody(Body):
    id: uuid.UUID
    name: str
    system_prompt: str
    first_message: str
    language: str
    llm: dict[str, Any]
    stt: dict[str, Any]
    tts: dict[str, Any]
    tools: list[dict[str, Any]]
    variables: list[dict[str, Any]]
    voicemail: dict[str, Any]
    max_call_duration_seconds: int
    silence_timeout_seconds: int
    ringing_timeout_seconds: int
    recording_enabled: bool
    analysis: dict[str, Any]
    dispositions: list[dict[str, Any]]
    first_message_mode: str
    turn_taking: dict[str, Any]
    interruptions: dict[str, Any]
    silence: dict[str, Any]
    screening: dict[str, Any]
    background: dict[str, Any]
    version: int
    published_version: int | None
    created_at: datetime
    updated_at: datetime


class SuppressionBody(Body):
    id: uuid.UUID
    phone_number: str
    reason: str
    source: str
    proof: str
    expires_at: datetime | None
    created_at: datetime


class WebhookBody(Body):
    id: uuid.UUID
    url: str
    description: str
    events: list[str]
    is_enabled: bool = Field(serialization_alias="enabled")
    disabled_reason: str | None
    failing_since: datetime | None
    created_at: datetime


def to_e164(text: str) -> str:
    """Raises ValueError for what is no number."""
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException as error:
        raise ValueError("invalid phone number") from error
    if not phonenumbers.is_valid_number(number):
        raise ValueError("invalid phone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


class NewCall(BaseModel):
    model_config = ConfigDict(extra="forbid")

    agent_id: uuid.UUID
    to: Annotated[str, AfterValidator(to_e164)] = Field(max_length=64)
    variables: dict[str, Any] = {}
    metadata: dict[str, Any] = {}


class BatchChanges(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="", min_length=1, max_length=200)
    priority: int = Field(default=0, ge=0, le=100)
    calls_per_second: float | None = Field(default=None, ge=0.01, le=1000)
    max_concurrent_calls: int | None = Field(default=None, ge=1, le=100_000)
