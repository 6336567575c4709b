"""Scripts of rehearsals, as `python -m voice rehearse` reads them, and what came of them."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

from accounts.api.related_fields import WorkspaceSerializer
from agents.models import Rehearsal
from agents.rehearsing.rehearsals import (
    REHEARSAL_MODES,
    REPLAY_MODE,
    count_passed,
    played_results,
)
from agents.rehearsing.replays import MAX_REPLAYED_CALLS
from agents.serializers.providers import LlmSerializer
from agents.serializers.stored import StoredSerializer, VerbatimText
from voiceops.api.errors import field_error
from voiceops.api.field_errors import FieldErrors
from voiceops.api.serializers import (
    Boolean,
    Choice,
    Integer,
    JsonObject,
    ListField,
    Number,
    StrictSerializer,
    Text,
    Uuid,
)

MAX_AGENT_SCRIPTS = 200
MAX_SCRIPT_STEPS = 200
MAX_EXPECTED_TEXTS = 50
MAX_SCRIPT_TEXT_LENGTH = 2000
MAX_SCRIPT_LABEL_LENGTH = 100
MAX_INSTRUCTIONS_LENGTH = 10_000
# Of what a model may cost, as voice/rehearsal/script.py has them.
MAX_CALLEE_TURNS = 40
MAX_CONVERSATION_SECONDS = 300
MAX_SCRIPT_RUNS = 20
ANSWERED_BY = ("human", "machine", "screening", "silence")
DETECTED_KINDS = ("human", "machine", "uncertain", "screened")
REPLAY_DIFFERENCES = ("words", "tools", "end_reason")
SCRIPT_STEP_KINDS = ("says", "digits", "silence", "hangs_up")
TEXTS_SCHEMA = {
    "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
}


@extend_schema_field(TEXTS_SCHEMA)
class Texts(serializers.Field[Any, Any, Any, Any]):
    """A text or several, each of which may be an expression between slashes."""

    def to_internal_value(self, data: Any) -> Any:
        """Raises ValidationError (422)."""
        is_list = isinstance(data, list)
        given = ListField(
            child=Text(max_length=MAX_SCRIPT_TEXT_LENGTH), max_length=MAX_EXPECTED_TEXTS
        )
        texts = given.run_validation(data if is_list else [data] if isinstance(data, str) else data)
        errors = FieldErrors()
        for position, text in enumerate(texts):
            if problem := _problem_of_expression(text):
                errors.add(position, field_error("value_error", problem).detail)
        errors.raise_if_any()
        return texts if is_list else texts[0]

    def to_representation(self, value: Any) -> Any:
        return value


def _problem_of_expression(text: str) -> str | None:
    """Return what is wrong with a text between slashes; None for any other."""
    if len(text) <= 2 or not (text.startswith("/") and text.endswith("/")):
        return None
    try:
        re.compile(text[1:-1])
    except re.error as error:
        return f"this is no regular expression: {error}"
    return None


class LatencyExpectationSerializer(StoredSerializer):
    p95 = Number(min_value=0)


class ExpectationSerializer(StoredSerializer):
    """What must follow: what the agent says, and which tools it uses with what."""

    agent_says = Texts(required=False)
    agent_does_not_say = Texts(required=False)
    tool = Texts(required=False)
    arguments = JsonObject(required=False)
    not_tool = Texts(required=False)
    detected = Choice(choices=DETECTED_KINDS, required=False)
    message_left = Boolean(required=False)
    latency = LatencyExpectationSerializer(required=False)


class StepSerializer(StoredSerializer):
    """What the callee does next: one of `says`, `digits`, `silence` (seconds) and `hangs_up`."""

    says = Text(max_length=MAX_SCRIPT_TEXT_LENGTH, required=False)
    digits = Text(max_length=32, required=False)
    silence = Number(min_value=0, max_value=3600, required=False)
    hangs_up = Boolean(required=False)
    expect = ExpectationSerializer(required=False)

    def run_validation(self, data: Any = empty) -> Any:
        """A text alone is what the callee says. Raises ValidationError (422)."""
        if isinstance(data, str):
            return super().run_validation({"says": data})["says"]
        step = super().run_validation(data)
        if sum(name in step for name in SCRIPT_STEP_KINDS) != 1:
            raise field_error("value_error", f"expected one of {', '.join(SCRIPT_STEP_KINDS)}")
        return step


class EndSerializer(StoredSerializer):
    """How the call must end."""

    by = Choice(choices=["agent", "callee"], required=False)
    reason = Text(max_length=64, required=False)
    within_turns = Integer(min_value=1, required=False)


class ScriptSerializer(StoredSerializer):
    """One conversation: who answers, what they do, and what must follow."""

    # The stubs see a plain attribute; the metaclass makes it a field.
    label = Text(max_length=MAX_SCRIPT_LABEL_LENGTH)  # type: ignore[assignment]
    tags = ListField(child=Text(max_length=64), max_length=20, required=False)
    answers = Choice(choices=ANSWERED_BY, required=False)
    greeting = Text(max_length=MAX_SCRIPT_TEXT_LENGTH, allow_blank=True, required=False)
    # The stubs do not know that a list has `max_length`.
    caller = StepSerializer(many=True, max_length=MAX_SCRIPT_STEPS, required=False)  # type: ignore[call-arg]
    tools = JsonObject(required=False, help_text="what webhooks answer; `{error}` fails")
    transfers = JsonObject(required=False, help_text="transfers that fail, by number, and how")
    variables = JsonObject(required=False)
    end = EndSerializer(required=False)
    never = Texts(required=False)
    expect = ExpectationSerializer(required=False)
    instructions = VerbatimText(
        max_length=MAX_INSTRUCTIONS_LENGTH,
        required=False,
        help_text="of a model that plays the callee, after the steps of `caller`",
    )
    max_turns = Integer(
        min_value=1, max_value=MAX_CALLEE_TURNS, required=False, help_text="of such a callee"
    )
    max_seconds = Integer(
        min_value=1, max_value=MAX_CONVERSATION_SECONDS, required=False, help_text="with them"
    )
    repeat = Integer(
        min_value=1, max_value=MAX_SCRIPT_RUNS, required=False, help_text="how often it is played"
    )

    def get_fields(self) -> dict[str, Any]:
        """Add the fields whose names are Python's, or retired here."""
        return {
            **super().get_fields(),
            "pass": Integer(
                min_value=1,
                max_value=MAX_SCRIPT_RUNS,
                required=False,
                help_text="how many of these must pass; all without it",
            ),
            "judge": Texts(
                required=False,
                help_text="what a model is asked about the conversation, when nothing else failed",
            ),
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Raises ValidationError when more must pass than are played."""
        if attrs.get("pass", 1) > attrs.get("repeat", 1):
            message = f"at most {attrs.get('repeat', 1)}, as often as it is played"
            raise serializers.ValidationError({"pass": field_error("value_error", message).detail})
        return attrs


class ScriptsSerializer(StrictSerializer):
    """The scripts of an agent: the file of `python -m voice rehearse`, without the agent."""

    variables = JsonObject(required=False)
    model = LlmSerializer(required=False, help_text="instead of the agent's own")
    simulator = LlmSerializer(
        required=False,
        help_text="the model that plays callees by `instructions` and answers `judge`; without it "
        "the agent's own, or that of the worker",
    )
    mode = Choice(choices=REHEARSAL_MODES, required=False, help_text="`text` without it")
    scripts = ScriptSerializer(many=True, max_length=MAX_AGENT_SCRIPTS)  # type: ignore[call-arg]

    def run_validation(self, data: Any = empty) -> Any:
        """Accept the program's file as it is: the agent that it names is not used."""
        if isinstance(data, Mapping) and "agent" in data:
            data = {name: value for name, value in data.items() if name != "agent"}
        return super().run_validation(data)

    def validate_scripts(self, scripts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Raises ValidationError at the place of a label given twice."""
        labels: set[str] = set()
        errors = FieldErrors()
        for position, script in enumerate(scripts):
            if script["label"] in labels:
                duplicate = field_error("value_error", "this label is given twice")
                errors.add(position, {"label": duplicate.detail})
            labels.add(script["label"])
        errors.raise_if_any()
        return scripts

    def to_representation(self, instance: Any) -> Any:
        return instance


class RehearsalOrderSerializer(StrictSerializer):
    scripts = ListField(
        child=Text(max_length=MAX_SCRIPT_LABEL_LENGTH),
        max_length=MAX_AGENT_SCRIPTS,
        allow_null=True,
        required=False,
        help_text="labels or tags of the agent's scripts; all of them without it",
    )
    mode = Choice(
        choices=REHEARSAL_MODES, required=False, help_text="that of the scripts without it"
    )
    replay = ListField(
        child=Uuid(),
        min_length=1,
        max_length=MAX_REPLAYED_CALLS,
        allow_null=True,
        required=False,
        help_text="ids of calls whose callees the draft hears instead of scripts, in text",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Raises ValidationError (422) for a replay of scripts, or in sound."""
        errors = FieldErrors()
        if attrs.get("replay") and attrs.get("scripts") is not None:
            problem = field_error("value_error", "give either scripts or calls")
            errors.add("replay", problem.detail)
        if attrs.get("replay") and attrs.get("mode", REPLAY_MODE) != REPLAY_MODE:
            errors.add("mode", field_error("value_error", "calls are replayed in text").detail)
        errors.raise_if_any()
        return attrs


class SpokenTurnSerializer(StrictSerializer):
    role = Text()
    text = Text()


class UsedToolSerializer(StrictSerializer):
    name = Text()
    arguments = JsonObject()


class HeardSerializer(StrictSerializer):
    """What the callee of a spoken rehearsal understood of what the agent said."""

    text = Text()
    heard = Text()
    word_error_rate = Number()


class CalleeActSerializer(StrictSerializer):
    """What the callee did: one of these, or none of them, who then has answered."""

    says = Text(allow_null=True)
    digits = Text(allow_null=True)
    silence = Number(allow_null=True, help_text="seconds")
    hangs_up = Boolean()


class AgentAnswerSerializer(StrictSerializer):
    """What the agent said and used, until the callee did something again."""

    says = ListField(child=Text())
    tools = UsedToolSerializer(many=True)


class ExchangeSerializer(StrictSerializer):
    callee = CalleeActSerializer()
    then = AgentAnswerSerializer(help_text="on the call")
    now = AgentAnswerSerializer(help_text="in the rehearsal")
    different = Boolean()


class RecordedCallSerializer(StrictSerializer):
    """The call as it was."""

    agent_version = Integer(allow_null=True)
    end_reason = Text(allow_null=True)
    turns = SpokenTurnSerializer(many=True)
    tools = UsedToolSerializer(many=True)


class ReplaySerializer(StrictSerializer):
    """A call beside its replay, whose own turns, tools and end are those of the result."""

    call_id = serializers.UUIDField()
    then = RecordedCallSerializer()
    exchanges = ExchangeSerializer(many=True, help_text="side by side, in the callee's order")
    differences = ListField(
        child=Choice(choices=REPLAY_DIFFERENCES), help_text="in what they differ; empty for none"
    )


class RehearsalResultSerializer(StrictSerializer):
    """What came of one script, or of one call; each failure is a sentence."""

    name = Text(help_text="the script's label, or the call's id")
    tags = ListField(child=Text())
    passed = Boolean()
    failures = ListField(child=Text())
    end_reason = Text()
    seconds = Number()
    turns = SpokenTurnSerializer(many=True)
    tools = UsedToolSerializer(many=True)
    heard = HeardSerializer(many=True)
    not_run = Text(required=False, help_text="why it could not be played; such a script only")
    runs = Integer(required=False, help_text="of a script with `repeat`")
    passed_runs = Integer(required=False)
    replay = ReplaySerializer(allow_null=True, help_text="null for a script")


class RehearsalSerializer(WorkspaceSerializer):
    """A rehearsal of an agent's draft."""

    computed_from: ClassVar = {"passed": ("results",), "failed": ("results",)}
    scripts = ListField(child=Text(), allow_null=True, read_only=True)
    replay = ListField(
        child=serializers.UUIDField(),
        allow_null=True,
        read_only=True,
        help_text="the calls that are replayed; null for scripts",
    )
    passed = serializers.SerializerMethodField(help_text="how many scripts passed")
    failed = serializers.SerializerMethodField(help_text="how many scripts failed")

    class Meta:
        model = Rehearsal
        fields = [
            "id",
            "agent_id",
            "version",
            "mode",
            "scripts",
            "replay",
            "status",
            "error",
            "passed",
            "failed",
            "created_at",
            "started_at",
            "ended_at",
        ]
        read_only_fields = fields

    def get_passed(self, rehearsal: Rehearsal) -> int:
        return count_passed(rehearsal.results)

    def get_failed(self, rehearsal: Rehearsal) -> int:
        return sum(not result["passed"] for result in played_results(rehearsal.results))


class RehearsalDetailSerializer(RehearsalSerializer):
    """A rehearsal with what came of each script."""

    results = RehearsalResultSerializer(many=True, read_only=True)

    class Meta(RehearsalSerializer.Meta):
        fields = [*RehearsalSerializer.Meta.fields, "results"]
        read_only_fields = fields
