"""`llm`, `stt` and `tts`: which provider, and others that stand in when it fails.

They also accept the provider's own options, which pass through unchecked.
"""

from typing import Any, ClassVar

from rest_framework import serializers

from agents.serializers.stored import StoredSerializer
from voiceops.api.errors import field_error
from voiceops.api.fields import require_storable_json
from voiceops.api.serializers import ListField, Number, Text

MAX_FALLBACKS = 5
MAX_KEYTERMS = 100
MAX_PRONUNCIATIONS = 200


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


class FallbackSerializer(ProviderSettings):
    """A provider that takes over when the ones before it fail, with options of its own."""

    provider = Text(max_length=100)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Raises ValidationError for a fallback with fallbacks of its own."""
        values = super().to_internal_value(data)
        if "fallbacks" in values:
            nested = field_error("value_error", "a fallback has no fallbacks of its own")
            raise serializers.ValidationError({"fallbacks": nested.detail})
        return values


class LlmFallbackSerializer(FallbackSerializer):
    temperature = Number(min_value=0, max_value=2, required=False)


class TtsFallbackSerializer(FallbackSerializer):
    voice = Text(max_length=200, required=False)
    speed = Number(min_value=0.25, max_value=4, required=False)


class PronunciationSerializer(StoredSerializer):
    """A word, and how the voice says it."""

    word = Text(max_length=100)
    say = Text(max_length=200)


FALLBACKS_HELP = "in their order, when a provider fails in the middle of a call"


class LlmSerializer(ProviderSettings):
    temperature = Number(min_value=0, max_value=2, required=False)
    # The stubs do not know that a list has `max_length`.
    fallbacks = LlmFallbackSerializer(  # type: ignore[call-arg]
        many=True, max_length=MAX_FALLBACKS, required=False, help_text=FALLBACKS_HELP
    )


class SttSerializer(ProviderSettings):
    keyterms = ListField(
        child=Text(max_length=100),
        max_length=MAX_KEYTERMS,
        required=False,
        help_text="words that the recognition should expect, such as names",
    )
    fallbacks = FallbackSerializer(  # type: ignore[call-arg]
        many=True, max_length=MAX_FALLBACKS, required=False, help_text=FALLBACKS_HELP
    )


class TtsSerializer(ProviderSettings):
    voice = Text(max_length=200, required=False)
    speed = Number(min_value=0.25, max_value=4, required=False)
    pronunciation = PronunciationSerializer(  # type: ignore[call-arg]
        many=True, max_length=MAX_PRONUNCIATIONS, required=False
    )
    fallbacks = TtsFallbackSerializer(  # type: ignore[call-arg]
        many=True, max_length=MAX_FALLBACKS, required=False, help_text=FALLBACKS_HELP
    )
