"""The framework's session, with an agent's settings."""

from typing import Any

from livekit.agents import AgentSession
from livekit.agents.voice.transcription.text_transforms import TextTransforms, replace

from voice.agent_config import AgentConfig
from voice.providers.registry import Parts

MAX_CALLEE_TURN_SECONDS = 45.0  # music on hold has no end of turn
MAX_TOOL_STEPS = 5
# After speech of which no words came: a line that rustles, or ears that have failed.
TRANSCRIPTION_TIMEOUT_SECONDS = 10.0
# What no voice should read aloud.
TRANSFORMS: tuple[TextTransforms, ...] = ("filter_markdown", "filter_emoji")


def make_session(config: AgentConfig, parts: Parts, *, is_telephone: bool) -> "AgentSession[Any]":
    """Return a session with the agent's settings, and what every telephone call needs."""
    interruptions = config.interruptions
    return AgentSession(
        stt=parts.stt,
        llm=parts.llm,
        tts=parts.tts,
        vad=parts.vad,
        turn_handling={
            "turn_detection": parts.turn_detection,
            "endpointing": {
                "min_delay": config.turn_end.min_delay,
                "max_delay": config.turn_end.max_delay,
            },
            "interruption": {
                "enabled": interruptions.enabled,
                # The other mode streams the callee's voice to LiveKit's own service.
                "mode": "vad",
                "min_words": interruptions.min_words,
                "min_duration": interruptions.min_seconds,
            },
            # The model begins with what was understood so far; the voice waits for the turn's end.
            "preemptive_generation": {"enabled": True},
            "user_turn_limit": {"max_duration": MAX_CALLEE_TURN_SECONDS},
        },
        max_tool_steps=MAX_TOOL_STEPS,
        tts_text_transforms=[*TRANSFORMS, replace(pronunciations(config))],
        # With a telephone there is no loudspeaker to warm up for: it would ignore the first words.
        aec_warmup_duration=None if is_telephone else 3.0,
        # Else the room would stay for two seconds after the goodbye.
        session_close_transcript_timeout=0.0,
        user_away_timeout=None,
        transcription_timeout=TRANSCRIPTION_TIMEOUT_SECONDS,
    )


def pronunciations(config: AgentConfig) -> dict[str, str]:
    """Return how words are to be spoken: `tts.pronunciation [{word, say}]`."""
    items = config.tts.get("pronunciation") or []
    return {
        str(item["word"]): str(item.get("say") or "")
        for item in items
        if isinstance(item, dict) and item.get("word")
    }
