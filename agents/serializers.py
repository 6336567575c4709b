"""The shape of an agent. Nested objects are stored as they are given, without defaults.

`llm`, `stt` and `tts` also accept the provider's own options, which pass through unchecked.
"""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.fields import empty

from accounts.api.related_fields import WorkspaceSerializer
from agents.dispositions import DEFAULT_DELAY_MINUTES, DEFAULT_REST_DAYS
from agents.models import CONFIG_FIELDS, Agent, AgentVersion, default_voicemail
from voiceops.api.errors import FieldErrors, field_error
from voiceops.api.fields import require_storable_json
from voiceops.api.serializers import (
    Boolean,
    Choice,
    DateTime,
    Integer,
    JsonObject,
    ListField,
    Number,
    PageQuery,
    StrictSerializer,
    Text,
    Url,
)

MAX_PROMPT_LENGTH = 100_000
MAX_DELAY_MINUTES = 60 * 24 * 30
MAX_REST_DAYS = 3650
# The form of RFC 5646; whether the subtags exist is not checked.
LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


class VerbatimText(Text):
    """Text that is stored verbatim, with the white space at its ends."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def run_validation(self, data: Any = empty) -> Any:
        if isinstance(data, str) and not data.strip() and not self.allow_blank:
            self.fail("blank")
        return super().run_validation(data)


class LanguageTag(Text):
    """A BCP 47 tag such as en-US."""

    def to_internal_value(self, data: Any) -> str:
        """Raises ValidationError when the text does not have the form of a tag."""
        text = super().to_internal_value(data)
        if not LANGUAGE_TAG.fullmatch(text):
            raise field_error(
                "value_error", "invalid language, expected a BCP 47 tag such as en-US"
            )
        return text


class StoredSerializer(StrictSerializer):
    """An object in a JSON column, returned as it is stored."""

    is_stored: ClassVar[bool] = True  # read by voiceops.api.schema

    def to_representation(self, instance: Any) -> Any:
        return instance


class ProviderSettings(StoredSerializer):
    """Documented keys are validated; all others are passed on to the provider."""

    rejects_unknown_fields: ClassVar[bool] = False
    provider = Text(max_length=100, required=False)
    model = Text(max_length=200, required=False)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        known = super().to_internal_value(data)
        require_storable_json(data)
        # Validated values replace what was sent; undocumented options pass through.
        return {**data, **known}


class LlmSerializer(ProviderSettings):
    temperature = Number(min_value=0, max_value=2, required=False)


class SttSerializer(ProviderSettings):
    pass


class TtsSerializer(ProviderSettings):
    voice = Text(max_length=200, required=False)
    speed = Number(min_value=0.25, max_value=4, required=False)


class ToolSerializer(StoredSerializer):
    type = Choice(choices=["webhook", "end_call", "transfer_call", "dtmf"])
    name = Text(max_length=64)
    description = Text(max_length=2000, allow_blank=True, required=False)
    parameters = JsonObject(required=False)
    url = Url(max_length=2000, required=False)
    headers = JsonObject(child=Text(max_length=2000, allow_blank=True), required=False)
    timeout_seconds = Number(min_value=0.1, max_value=120, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["type"] == "webhook" and "url" not in attrs:
            raise serializers.ValidationError({"url": field_error("value_error.missing").detail})
        return attrs


class VariableName(Text):
    """A name that can stand between `{{` and `}}`."""

    def to_internal_value(self, data: Any) -> str:
        """Raises ValidationError when the name contains a brace."""
        text = super().to_internal_value(data)
        if re.search(r"[{}]", text):
            raise field_error("value_error", "a variable's name has no braces")
        return text


class VariableSerializer(StoredSerializer):
    name = VariableName(max_length=100)
    # The stubs see a plain attribute; the metaclass makes it a field.
    required = Boolean(required=False)  # type: ignore[assignment]
    default = Text(max_length=2000, allow_blank=True, allow_null=True, required=False)


class VoicemailSerializer(StoredSerializer):
    action = Choice(choices=["hang_up", "leave_message", "continue"], default="hang_up")
    message = VerbatimText(max_length=5000, allow_blank=True, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        message = attrs.get("message", "")
        if attrs["action"] == "leave_message" and not message.strip():
            error = field_error("value_error", "leave_message needs a message")
            raise serializers.ValidationError({"message": error.detail})
        return attrs


class AnalysisSerializer(StoredSerializer):
    summary = Boolean(required=False)
    # The stubs see `Serializer.fields`; the metaclass makes this a field.
    fields = ListField(child=JsonObject(), max_length=100, required=False)  # type: ignore[assignment]


class ConsequenceSerializer(StoredSerializer):
    """What a disposition leads to.

    `retry` calls again after `delay_minutes`; `callback` plans a call then; `rest` calls the number
    from no batch for some `days`; `suppress` never again; `review` leaves it to an operator.
    """

    type = Choice(choices=["finish", "retry", "callback", "suppress", "rest", "review"])
    delay_minutes = Number(
        min_value=0,
        max_value=MAX_DELAY_MINUTES,
        required=False,
        help_text=f"of `retry` and `callback`, {DEFAULT_DELAY_MINUTES} without it",
    )
    days = Integer(
        min_value=1,
        max_value=MAX_REST_DAYS,
        required=False,
        help_text=f"of `rest`, {DEFAULT_REST_DAYS} without it",
    )


class DispositionSerializer(StoredSerializer):
    """How a call may have gone, in the agent's own words."""

    name = Text(max_length=64, help_text="what reports and `POST /calls/{id}/disposition` use")
    # The stubs see a plain attribute; the metaclass makes it a field.
    label = Text(max_length=200, allow_blank=True, required=False)  # type: ignore[assignment]
    consequence = ConsequenceSerializer(required=False)


class AgentSerializer(WorkspaceSerializer):
    never_null: ClassVar = ("dispositions",)  # read by voiceops.api.schema; null is answered as []
    name = Text(max_length=200)
    system_prompt = VerbatimText(max_length=MAX_PROMPT_LENGTH)
    first_message = VerbatimText(max_length=10_000, allow_blank=True, default="")
    language = LanguageTag(max_length=35, default="en-US")
    llm = LlmSerializer(default=dict)
    stt = SttSerializer(default=dict)
    tts = TtsSerializer(default=dict)
    # The stubs do not know that a list has `max_length`.
    tools = ToolSerializer(many=True, max_length=100, default=list)  # type: ignore[call-arg]
    variables = VariableSerializer(many=True, max_length=200, default=list)  # type: ignore[call-arg]
    voicemail = VoicemailSerializer(default=default_voicemail)
    max_call_duration_seconds = Integer(min_value=1, max_value=86_400, default=600)
    silence_timeout_seconds = Integer(min_value=1, max_value=3600, default=30)
    ringing_timeout_seconds = Integer(min_value=15, max_value=60, default=30)
    recording_enabled = Boolean(default=True)
    analysis = AnalysisSerializer(default=dict)
    dispositions = DispositionSerializer(many=True, max_length=50, default=list)  # type: ignore[call-arg]

    class Meta:
        model = Agent
        fields = ["id", *CONFIG_FIELDS, "version", "published_version", "created_at", "updated_at"]
        read_only_fields = ["version", "published_version"]

    def to_representation(self, instance: Agent) -> dict[str, Any]:
        """Include secrets, so that a client can send back what it has read.

        See docs/decisions/0010-agents-secrets.md.
        """
        return {**super().to_representation(instance), **instance.config()}

    def validate_tools(self, tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return _require_unique_names(tools)

    def validate_dispositions(self, dispositions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return _require_unique_names(dispositions)

    def validate_variables(self, variables: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return _require_unique_names(variables)


class AgentVersionSerializer(AgentSerializer):
    """`{version, …the fields of the configuration, created_at}`."""

    version = Integer(source="number")
    created_at = DateTime()

    class Meta:
        model = AgentVersion
        fields = ["version", *CONFIG_FIELDS, "created_at"]

    # The stubs expect an Agent; what is shown is a version of it.
    def to_representation(self, instance: AgentVersion) -> dict[str, Any]:  # type: ignore[override]
        created_at = self.fields["created_at"].to_representation(instance.created_at)
        return {
            "version": instance.number,
            "dispositions": [],
            **instance.config_with_secrets(),
            "created_at": created_at,
        }


class RollbackSerializer(StrictSerializer):
    version = Integer()


class AgentQuery(PageQuery):
    search = Text(max_length=200, required=False)


def _require_unique_names(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Raises ValidationError at the position of an item whose name is given twice."""
    names: set[str] = set()
    errors = FieldErrors()
    for position, item in enumerate(items):
        if item["name"] in names:
            duplicate = field_error("value_error", "this name is given twice")
            errors.add(position, {"name": duplicate.detail})
        names.add(item["name"])
    errors.raise_if_any()
    return list(items)
