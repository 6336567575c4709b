"""How an agent behaves on the telephone. An absent key means the voice worker's default."""

from typing import Any

from rest_framework import serializers

from agents.serializers.stored import StoredSerializer, VerbatimText
from voiceops.api.errors import field_error
from voiceops.api.serializers import Boolean, Choice, Integer, Number

FIRST_MESSAGE_MODES = ["speak", "wait", "generate"]
MIN_DELAY_SECONDS = 0.3  # of a turn's end, where it is not said
MAX_DELAY_SECONDS = 2.5
# Sounds that the voice worker has.
SOUNDS = [
    "city_ambience",
    "forest_ambience",
    "office_ambience",
    "crowded_room",
    "keyboard_typing",
    "keyboard_typing2",
    "hold_music",
]


class VoicemailSerializer(StoredSerializer):
    action = Choice(choices=["hang_up", "leave_message", "continue"], default="hang_up")
    message = VerbatimText(max_length=5000, allow_blank=True, required=False)
    wait_for_end_seconds = Number(
        min_value=0,
        max_value=60,
        required=False,
        help_text="how long the end of the greeting is waited for, 30 without it",
    )
    detection = Choice(
        choices=["before", "along", "off"],
        required=False,
        help_text="whether a machine is looked for before the agent speaks (`before`, the default),"
        " while it speaks, or not at all",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        message = attrs.get("message", "")
        if attrs["action"] == "leave_message" and not message.strip():
            error = field_error("value_error", "leave_message needs a message")
            raise serializers.ValidationError({"message": error.detail})
        return attrs


class ScreeningSerializer(StoredSerializer):
    """What a call screener is told."""

    identity = VerbatimText(
        max_length=500, allow_blank=True, required=False, help_text="who is calling"
    )
    purpose = VerbatimText(max_length=500, allow_blank=True, required=False, help_text="and why")
    give_up_after_seconds = Number(
        min_value=1, max_value=120, required=False, help_text="20 without it"
    )


class TurnEndSerializer(StoredSerializer):
    """When the callee has finished speaking."""

    detection = Choice(
        choices=["model", "silence"],
        required=False,
        help_text="by a model of language, or by silence alone (the default)",
    )
    min_delay = Number(
        min_value=0,
        max_value=10,
        required=False,
        help_text=f"seconds, {MIN_DELAY_SECONDS} without it",
    )
    max_delay = Number(
        min_value=0,
        max_value=30,
        required=False,
        help_text=f"seconds, {MAX_DELAY_SECONDS} without it",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        shortest = attrs.get("min_delay", MIN_DELAY_SECONDS)
        longest = attrs.get("max_delay", MAX_DELAY_SECONDS)
        if shortest > longest:
            # At the one that was given; the other may be a default.
            place = "max_delay" if "max_delay" in attrs else "min_delay"
            message = f"min_delay ({shortest:g}) is longer than max_delay ({longest:g})"
            error = field_error("value_error", message)
            raise serializers.ValidationError({place: error.detail})
        return attrs


class InterruptionsSerializer(StoredSerializer):
    """When the callee's voice stops the agent's."""

    enabled = Boolean(required=False, help_text="true without it")
    min_words = Integer(min_value=0, max_value=20, required=False, help_text="0 without it")
    min_seconds = Number(min_value=0, max_value=10, required=False, help_text="0.5 without it")


class SilenceSerializer(StoredSerializer):
    """How a silent callee is reminded, before `silence_timeout_seconds` end the call."""

    remind_after_seconds = Number(
        min_value=0, max_value=3600, required=False, help_text="0, as without it: never"
    )
    reminders = Integer(
        min_value=1, max_value=10, required=False, help_text="how many at most, 1 without it"
    )
    text = VerbatimText(
        max_length=500,
        allow_blank=True,
        required=False,
        help_text="`Are you still there?` without it",
    )


class BackgroundSerializer(StoredSerializer):
    """A sound behind the conversation."""

    sound = Choice(choices=SOUNDS, required=False)
    volume = Number(min_value=0, max_value=1, required=False, help_text="0.3 without it")
