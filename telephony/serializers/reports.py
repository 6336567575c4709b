"""The schema of a voice agent's reports, and its errors as the API documents them.

Every live call sends a report every two seconds, and a REST framework serializer would take ten
times as long as pydantic (`docs/performance.md`).
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic_core import ErrorDetails

from telephony.serializers.report_values import (
    Count,
    Id,
    LanguageTag,
    LongText,
    Name,
    ShortNumber,
    ShortText,
    Timestamp,
)
from telephony.services.report_events import ReportEvent
from voiceops.api.errors import MESSAGES, limit_errors, shorten_location

MAX_REPORT_EVENTS = 1000
MAX_USAGE_ITEMS = 100
# What the call's `end_reason` column holds.
MAX_REASON_LENGTH = 64
ENVELOPE_FIELDS = {"id", "type", "at"}


class Envelope(BaseModel):
    """What every event has, whatever its type."""

    # Pydantic would otherwise quietly turn 1 into true.
    model_config = ConfigDict(strict=True)

    id: Id
    at: Timestamp


class Event(Envelope):
    """Base of the types of events; their fields in the order of the documented errors."""

    model_config = ConfigDict(extra="forbid")
    omits_absent_fields: ClassVar[bool] = False  # else they are stored with their defaults

    def data(self) -> dict[str, Any]:
        """Return the fields of the event's own type."""
        return self.model_dump(exclude=ENVELOPE_FIELDS, exclude_unset=self.omits_absent_fields)


class AgentJoined(Event):
    omits_absent_fields = True

    type: Literal["agent_joined"]
    worker: dict[str, Any] = Field(default_factory=dict)


class AgentAlive(Event):
    omits_absent_fields = True

    type: Literal["agent_alive"]
    callee_status: ShortText = ""


class CalleeJoined(Event):
    type: Literal["callee_joined"]


class CalleeAnswered(Event):
    type: Literal["callee_answered"]


class Detected(Event):
    """Who answered; `seconds` after the answer, and what was heard until then."""

    omits_absent_fields = True

    type: Literal["detected"]
    kind: Literal["human", "machine", "uncertain", "screened"]
    reason: Name = ""
    seconds: float = 0.0
    transcript: LongText = ""


class TurnLatency(BaseModel):
    """The parts of the time between the callee's last word and the agent's first, in seconds."""

    model_config = ConfigDict(strict=True, extra="forbid")

    end_of_turn: Count = None  # type: ignore[assignment]  # null is refused, absence is not
    stt: Count = None  # type: ignore[assignment]
    llm: Count = None  # type: ignore[assignment]
    tts: Count = None  # type: ignore[assignment]
    total: Count = None  # type: ignore[assignment]


class TurnEvent(Event):
    omits_absent_fields = True

    type: Literal["turn"]
    role: ShortText
    text: LongText
    started_at: Timestamp = None  # type: ignore[assignment]  # null is refused, absence is not
    interrupted: bool = False
    ended_at: Timestamp = None  # type: ignore[assignment]
    latency: TurnLatency = None  # type: ignore[assignment]
    language: LanguageTag = None  # type: ignore[assignment]

    def data(self) -> dict[str, Any]:
        # A turn that does not say when it began is dated by its report.
        return {**super().data(), "started_at": self.started_at or self.at}


class ToolCall(Event):
    omits_absent_fields = True

    type: Literal["tool_call"]
    name: Name
    arguments: Any = None
    result: Any = None
    call_id: Name = ""
    seconds: float = 0.0
    failed: bool = False


class MessageLeft(Event):
    """A message on an answering machine; `complete` when it was played to its end."""

    type: Literal["message_left"]
    complete: bool = False


class TransferReported(Event):
    """A transfer that the agent has tried."""

    omits_absent_fields = True

    type: Literal["transfer"]
    to: ShortNumber
    status: ShortText
    sip_status_code: int | None = None


class KeysPressed(Event):
    """Keys that the callee has pressed."""

    type: Literal["dtmf"]
    digits: ShortNumber


class AgentError(Event):
    """What failed on the agent's side; `fallback` when the conversation goes on."""

    omits_absent_fields = True

    type: Literal["error"]
    part: ShortText = ""
    provider: Name = ""
    text: LongText = ""
    fallback: bool = False


class UsageItem(BaseModel):
    """What one model counted in the whole call; other counts under any names."""

    model_config = ConfigDict(strict=True, extra="allow")

    kind: ShortNumber
    provider: Name
    model: Name
    input_tokens: Count = None  # type: ignore[assignment]  # null is refused, absence is not
    output_tokens: Count = None  # type: ignore[assignment]
    characters: Count = None  # type: ignore[assignment]
    seconds: Count = None  # type: ignore[assignment]


class CallLatency(BaseModel):
    """How long the callee waited, in seconds: for the first word, and for answers."""

    model_config = ConfigDict(strict=True, extra="forbid")

    answer_to_audio: Count = None  # type: ignore[assignment]  # null is refused, absence is not
    p50: Count = None  # type: ignore[assignment]
    p95: Count = None  # type: ignore[assignment]


class Usage(Event):
    """What the agent's models count in the whole call so far; other counts under any names."""

    model_config = ConfigDict(extra="allow")
    omits_absent_fields = True

    type: Literal["usage"]
    items: Annotated[list[UsageItem], Field(max_length=MAX_USAGE_ITEMS)] = Field(
        default_factory=list
    )
    latency: CallLatency = None  # type: ignore[assignment]  # null is refused, absence is not


class Disposition(Event):
    """How the call went: one of the agent's dispositions; others are kept in the timeline only."""

    type: Literal["disposition"]
    name: Name
    remark: LongText = Field(default="", alias="note")

    def data(self) -> dict[str, Any]:
        return {"name": self.name, "note": self.remark}


class CallbackAgreed(Event):
    """When the callee wants to be called; without an offset by the callee's clock."""

    type: Literal["callback"]
    when: Name
    phone_number: ShortNumber = ""
    remark: LongText = Field(default="", alias="note")

    def data(self) -> dict[str, Any]:
        return {"at": self.when, "phone_number": self.phone_number, "note": self.remark}


class DepartureEvent(Event):
    """Base of the events that end a call, or the callee's part in it."""

    reason: str = ""

    def data(self) -> dict[str, Any]:
        # A long reason is cut, because refusing the report would lose its other events.
        return {"reason": self.reason[:MAX_REASON_LENGTH]}


class CalleeLeft(DepartureEvent):
    type: Literal["callee_left"]


class Ended(DepartureEvent):
    type: Literal["ended"]


class Analysis(Event):
    type: Literal["analysis"]
    summary: LongText = None  # type: ignore[assignment]  # null is refused, absence is not
    fields: dict[str, Any] = Field(default_factory=dict)


AnyEvent: TypeAlias = Annotated[
    AgentJoined
    | AgentAlive
    | CalleeJoined
    | CalleeAnswered
    | Detected
    | TurnEvent
    | ToolCall
    | Usage
    | CalleeLeft
    | Ended
    | Analysis
    | Disposition
    | CallbackAgreed
    | MessageLeft
    | TransferReported
    | KeysPressed
    | AgentError,
    Field(discriminator="type"),
]


class Report(BaseModel):
    """The body of a report."""

    model_config = ConfigDict(strict=True, extra="forbid")

    events: Annotated[list[AnyEvent], Field(max_length=MAX_REPORT_EVENTS)]


# Pydantic's type of an error -> the documented type.
DOCUMENTED_TYPES = {
    "missing": "value_error.missing",
    "union_tag_not_found": "value_error.missing",
    "extra_forbidden": "value_error.extra",
    "string_type": "type_error.str",
    "string_too_short": "value_error.any_str.min_length",
    "string_too_long": "value_error.any_str.max_length",
    "bool_type": "type_error.bool",
    "float_type": "type_error.float",
    "int_type": "type_error.integer",
    "greater_than_equal": "value_error.number.not_ge",
    "less_than_equal": "value_error.number.not_le",
    "dict_type": "type_error.dict",
    "model_type": "type_error.dict",
    "model_attributes_type": "type_error.dict",
    "list_type": "type_error.list",
    "too_long": "value_error.list.max_items",
    "literal_error": "type_error.enum",
    "union_tag_invalid": "type_error.enum",
    "timestamp": "value_error.datetime",
}
# Errors of fields, for which null has an error of its own.
FIELD_ERRORS = (
    "string_type",
    "bool_type",
    "float_type",
    "int_type",
    "dict_type",
    "model_type",
    "list_type",
    "literal_error",
    "timestamp",
    "union_tag_invalid",
)


class InvalidReport(Exception):
    """A report that fails its schema; `errors` as the 422 lists them."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors)
        self.errors = errors


def read_report(body: Any) -> list[ReportEvent]:
    """Return the events of a report. Raises InvalidReport."""
    try:
        report = Report.model_validate(body)
    except ValidationError as error:
        errors = documented_errors(error.errors(include_url=False))
        raise InvalidReport(limit_errors(errors, "body")) from error
    return [
        ReportEvent(id=event.id, type=event.type, at=event.at, data=event.data())
        for event in report.events
    ]


def documented_errors(errors: list[ErrorDetails]) -> Iterator[dict[str, Any]]:
    """Yield pydantic's errors as the API documents them, unknown fields of the body first."""
    errors.sort(key=lambda error: error["type"] != "extra_forbidden" or len(error["loc"]) > 1)
    for error in errors:
        location = error["loc"]
        if error["type"].startswith("union_tag"):
            yield from _errors_of_unknown_event(error)
        else:
            # The third part names the type of the event, and is no part of the body.
            yield _documented_error(error, (*location[:2], *location[3:]))


def _errors_of_unknown_event(error: ErrorDetails) -> Iterator[dict[str, Any]]:
    """Yield the errors of an event whose type is missing or unknown, also in its other fields."""
    event = error["input"]
    location = error["loc"]
    yield _documented_error({**error, "input": event.get("type")}, (*location, "type"))
    try:
        Envelope.model_validate(event)
    except ValidationError as invalid:
        for inner in invalid.errors(include_url=False):
            yield _documented_error(inner, (*location, *inner["loc"]))


def _documented_error(error: Mapping[str, Any], location: tuple[int | str, ...]) -> dict[str, Any]:
    kind = DOCUMENTED_TYPES[error["type"]]
    if error["input"] is None and error["type"] in FIELD_ERRORS:
        kind = "type_error.none.not_allowed"
    context = error.get("ctx", {})
    limits = [context[name] for name in ("max_length", "min_length", "ge", "le") if name in context]
    limit = limits[0] if limits else None
    choices = context.get("expected", context.get("expected_tags", ""))
    message = MESSAGES[kind].format(limit=limit, permitted=choices.replace(" or ", ", "))
    return {"loc": shorten_location(("body", *location)), "msg": message, "type": kind}
