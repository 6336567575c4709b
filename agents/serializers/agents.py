"""The shape of an agent. Nested objects are stored as they are given, without defaults."""

import re
from typing import Any, ClassVar

from rest_framework import serializers

from accounts.api.related_fields import WorkspaceSerializer
from agents.dispositions import DEFAULT_DELAY_MINUTES, DEFAULT_REST_DAYS
from agents.models import CONFIG_FIELDS, LATER_FIELDS, Agent, AgentVersion, default_voicemail
from agents.secrets import hide_secret_headers
from agents.serializers.conversation import (
    FIRST_MESSAGE_MODES,
    BackgroundSerializer,
    InterruptionsSerializer,
    ScreeningSerializer,
    SilenceSerializer,
    TurnEndSerializer,
    VoicemailSerializer,
)
from agents.serializers.providers import LlmSerializer, SttSerializer, TtsSerializer
from agents.serializers.stored import (
    LanguageTag,
    StoredSerializer,
    VerbatimText,
    require_unique_names,
)
from agents.serializers.tools import ToolSerializer
from agents.voice_workers import find_speech_warnings, list_voice_workers
from voiceops.api.errors import field_error
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
    Uuid,
)

MAX_PROMPT_LENGTH = 100_000
MAX_DELAY_MINUTES = 60 * 24 * 30
MAX_REST_DAYS = 3650
DEFAULT_SILENCE_TIMEOUT_SECONDS = 30
WARNINGS_HELP = "what no voice worker that has reported can speak with, in sentences"


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
    needs_instances: ClassVar = True
    # Read by voiceops.api.schema; null is answered as the default.
    never_null: ClassVar = tuple(LATER_FIELDS)
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
    silence_timeout_seconds = Integer(
        min_value=1, max_value=3600, default=DEFAULT_SILENCE_TIMEOUT_SECONDS
    )
    ringing_timeout_seconds = Integer(min_value=15, max_value=60, default=30)
    recording_enabled = Boolean(default=True)
    analysis = AnalysisSerializer(default=dict)
    dispositions = DispositionSerializer(many=True, max_length=50, default=list)  # type: ignore[call-arg]
    first_message_mode = Choice(
        choices=FIRST_MESSAGE_MODES,
        default="speak",
        help_text="`speak`: the agent says `first_message` after the answer; `wait`: the callee "
        "speaks first; `generate`: the model words the opening",
    )
    turn_taking = TurnEndSerializer(default=dict)
    interruptions = InterruptionsSerializer(default=dict)
    silence = SilenceSerializer(default=dict)
    screening = ScreeningSerializer(default=dict)
    background = BackgroundSerializer(default=dict)

    class Meta:
        model = Agent
        fields = ["id", *CONFIG_FIELDS, "version", "published_version", "created_at", "updated_at"]
        read_only_fields = ["version", "published_version"]

    def to_representation(self, instance: Agent) -> dict[str, Any]:
        """Include secrets, so that a client can send back what it has read.

        See docs/decisions/0010-agents-secrets.md. The values of secret headers are a mask.
        """
        body = {name: getattr(instance, name) for name in self.Meta.fields}
        return {**body, **hide_secret_headers(instance.config())}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Raises ValidationError for a reminder that would come after the end of the call."""
        silence = attrs.get("silence", {}).get("remind_after_seconds", 0)
        stored = getattr(self.instance, "silence_timeout_seconds", DEFAULT_SILENCE_TIMEOUT_SECONDS)
        timeout = attrs.get("silence_timeout_seconds", stored)
        if silence >= timeout:
            message = f"silence_timeout_seconds ({timeout}) ends the call before the first reminder"
            error = {"remind_after_seconds": field_error("value_error", message).detail}
            raise serializers.ValidationError({"silence": error})
        return attrs

    def validate_tools(self, tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return require_unique_names(tools)

    def validate_dispositions(self, dispositions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return require_unique_names(dispositions)

    def validate_variables(self, variables: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return require_unique_names(variables)


class PublishedAgentSerializer(AgentSerializer):
    """The agent, with warnings if there are any."""

    absent_in_answers: ClassVar = ("warnings",)

    warnings = ListField(child=Text(), read_only=True, help_text=WARNINGS_HELP)

    class Meta(AgentSerializer.Meta):
        fields = [*AgentSerializer.Meta.fields, "warnings"]

    def to_representation(self, instance: Agent) -> dict[str, Any]:
        body = AgentSerializer().to_representation(instance)
        warnings = find_speech_warnings(instance.config(), list_voice_workers())
        return {**body, "warnings": warnings} if warnings else body


class AgentWarningsSerializer(StrictSerializer):
    warnings = ListField(child=Text(), help_text=WARNINGS_HELP)


class UnspokenVersionSerializer(StrictSerializer):
    """A published version that no voice worker can play."""

    agent_id = Uuid()
    name = Text()
    version = Integer()
    warnings = ListField(child=Text(), help_text=WARNINGS_HELP)


class UnspokenVersionQuery(PageQuery):
    agent_id = Uuid(required=False, help_text="only this agent's")


class AgentVersionSerializer(AgentSerializer):
    """`{version, …the fields of the configuration, created_at}`."""

    version = Integer(source="number")
    created_at = DateTime()

    class Meta:
        model = AgentVersion
        fields = ["version", *CONFIG_FIELDS, "created_at"]

    # The stubs expect an Agent; what is shown is a version of it.
    def to_representation(self, instance: AgentVersion) -> dict[str, Any]:  # type: ignore[override]
        return {
            "version": instance.number,
            **hide_secret_headers(instance.config_with_secrets()),
            "created_at": instance.created_at,
        }


class RollbackSerializer(StrictSerializer):
    version = Integer()


class AgentQuery(PageQuery):
    search = Text(max_length=200, required=False)
