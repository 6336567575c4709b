"""What voice workers report of themselves."""

from typing import ClassVar

from voiceops.api.serializers import Boolean, Integer, ListField, StrictSerializer, Text

MAX_REPORTED_PROVIDERS = 100
MAX_REPORTED_NAMES = 500


class LenientSerializer(StrictSerializer):
    # Workers of a later release report more.
    rejects_unknown_fields: ClassVar[bool] = False


class SpokenPartSerializer(LenientSerializer):
    """What a provider can do at a worker; null stands for whatever the provider has."""

    kind = Text(max_length=20, help_text="llm, stt or tts")
    has_package = Boolean()
    has_keys = Boolean(help_text="never the keys themselves")
    models = ListField(
        child=Text(max_length=200), max_length=MAX_REPORTED_NAMES, allow_null=True, required=False
    )
    languages = ListField(
        child=Text(max_length=35),
        max_length=MAX_REPORTED_NAMES,
        allow_null=True,
        required=False,
        help_text="without region: `en`",
    )


class SpokenProviderSerializer(LenientSerializer):
    name = Text(max_length=100)
    parts = SpokenPartSerializer(many=True, max_length=20)  # type: ignore[call-arg]


class VoiceWorkerReportSerializer(LenientSerializer):
    """What a voice worker can speak with."""

    name = Text(max_length=200, help_text="its own, such as host and port")
    agent_name = Text(max_length=200, help_text="under which it waits for calls at LiveKit")
    version = Text(max_length=50, allow_blank=True, default="")
    max_calls = Integer(min_value=0, max_value=1_000_000)
    default_provider = Text(max_length=100)
    providers = SpokenProviderSerializer(  # type: ignore[call-arg]
        many=True, max_length=MAX_REPORTED_PROVIDERS
    )
