"""The shape of an agent. Nested objects are stored as they were given: a key left out stays out.

Where the contract ends a list of keys with `…` (`llm`, `stt`, `tts`) the provider's own options
pass through.
"""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.fields import empty

from accounts.api.related_fields import WorkspaceSerializer
from agents.models import CONFIG_FIELDS, Agent, AgentVersion, default_voicemail
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
    Url,
)

LONGEST_PROMPT = 100_000
LANGUAGE_TAG = re.compile(
    r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*"
)  # RFC 5646, without judging the subtags


class Prose(Text):
    """Text that is stored to the letter, white space at its ends included."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def run_validation(self, data: Any = empty) -> Any:
        if isinstance(data, str) and not data.strip() and not self.allow_blank:
            self.fail("blank")
        return super().run_validation(data)


class LanguageTag(Text):
    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not LANGUAGE_TAG.fullmatch(text):
            raise field_error(
                "value_error", "invalid language, expected a BCP 47 tag such as en-US"
            )
        return text


class Stored(StrictSerializer):
    """An object inside a JSON column, answered as it is stored."""

    def to_representation(self, instance: Any) -> Any:
        return instance


class ProviderSettings(Stored):
    """Known keys are checked, others handed on to the provider."""

    rejects_unknown_fields: ClassVar[bool] = False
    provider = Text(max_length=100, required=False)
    model = Text(max_length=200, required=False)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        known = super().to_internal_value(data)
        return {**data, **known}


class LlmSerializer(ProviderSettings):
    temperature = Number(min_value=0, max_value=2, required=False)


class SttSerializer(ProviderSettings):
    pass


class TtsSerializer(ProviderSettings):
    voice = Text(max_length=200, required=False)
    speed = Number(min_value=0.25, max_value=4, required=False)


class ToolSerializer(Stored):
    type = Choice(choices=["webhook", "end_call", "transfer_call", "dtmf"])
    name = Text(max_length=64)
    description = Text(max_length=2000, allow_blank=True, required=False)
    parameters = JsonObject(required=False)
    url = Url(max_length=2000, required=False)
    headers = JsonObject(child=Text(max_length=2000, allow_blank=True), required=False)
    timeout_seconds = Number(min_value=0.1, max_value=120, required=False)


class VariableName(Text):
    """What may stand between `{{` and `}}`."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if re.search(r"[{}]", text):
            raise field_error("value_error", "a variable's name has no braces")
        return text


class VariableSerializer(Stored):
    name = VariableName(max_length=100)
    required = Boolean(required=False)  # type: ignore[assignment]  # the metaclass takes it off the class
    default = Text(max_length=2000, allow_blank=True, allow_null=True, required=False)


class VoicemailSerializer(Stored):
    action = Choice(choices=["hang_up", "leave_message", "continue"], default="hang_up")
    message = Prose(max_length=5000, allow_blank=True, required=False)


class AnalysisSerializer(Stored):
    summary = Boolean(required=False)
    fields = ListField(child=JsonObject(), max_length=100, required=False)  # type: ignore[assignment]  # the metaclass takes it off


class AgentSerializer(WorkspaceSerializer):
    name = Text(max_length=200)
    system_prompt = Prose(max_length=LONGEST_PROMPT)
    first_message = Prose(max_length=10_000, allow_blank=True, default="")
    language = LanguageTag(max_length=35, default="en-US")
    llm = LlmSerializer(default=dict)
    stt = SttSerializer(default=dict)
    tts = TtsSerializer(default=dict)
    tools = ToolSerializer(many=True, max_length=100, default=list)  # type: ignore[call-arg]  # the list takes it
    variables = VariableSerializer(many=True, max_length=200, default=list)  # type: ignore[call-arg]
    voicemail = VoicemailSerializer(default=default_voicemail)
    max_call_duration_seconds = Integer(min_value=1, max_value=86_400, default=600)
    silence_timeout_seconds = Integer(min_value=1, max_value=3600, default=30)
    ringing_timeout_seconds = Integer(min_value=15, max_value=60, default=30)
    recording_enabled = Boolean(default=True)
    analysis = AnalysisSerializer(default=dict)

    class Meta:
        model = Agent
        fields = ["id", *CONFIG_FIELDS, "version", "published_version", "created_at", "updated_at"]
        read_only_fields = ["version", "published_version"]

    def to_representation(self, instance: Agent) -> dict[str, Any]:
        """Secrets too: what is read can be put back whole (docs/decisions/0010-sealed-agents.md)."""
        return {**super().to_representation(instance), **instance.config()}

    def validate_tools(self, tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return _named_once(tools)

    def validate_variables(self, variables: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return _named_once(variables)


class AgentVersionSerializer(AgentSerializer):
    """`{version, …the frozen fields, created_at}`."""

    version = Integer(source="number")
    created_at = DateTime()

    class Meta:
        model = AgentVersion
        fields = ["version", *CONFIG_FIELDS, "created_at"]

    def to_representation(self, instance: AgentVersion) -> dict[str, Any]:  # type: ignore[override]  # a version
        created_at = self.fields["created_at"].to_representation(instance.created_at)
        return {
            "version": instance.number,
            **instance.config_with_secrets(),
            "created_at": created_at,
        }


class RollbackSerializer(StrictSerializer):
    version = Integer()


class AgentQuery(PageQuery):
    search = Text(max_length=200, required=False)


def _named_once(things: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Refuse the second of two with the same name, where it stands."""
    names: set[str] = set()
    twice: dict[int, Any] = {}
    for position, thing in enumerate(things):
        if thing["name"] in names:
            twice[position] = {
                "name": field_error("value_error", "this name is given twice").detail
            }
        names.add(thing["name"])
    if twice:
        raise serializers.ValidationError(twice)  # type: ignore[arg-type]  # positions stay integers in `loc`
    return list(things)
