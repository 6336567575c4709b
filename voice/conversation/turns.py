"""What a conversation reports while it lasts: its turns, with what they took, and its errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from livekit.agents import ErrorEvent, UserTranscriptionTimeoutEvent, llm, stt, tts

from voice.conversation.figures import Latency
from voice.journal import Journal, timestamp
from voice.providers.registry import PART_KINDS, Parts

SPEAKERS = {"user": "callee", "assistant": "agent"}
ADAPTERS = (llm.FallbackAdapter, stt.FallbackAdapter, tts.FallbackAdapter)


@dataclass
class TurnRecorder:
    """`language` is the agent's; the callee's is what the ears recognise, where they do."""

    journal: Journal
    language: str
    has_sound: bool = True
    latency: Latency = field(default_factory=Latency)
    heard_language: str = ""

    def add(self, item: llm.ChatMessage) -> None:
        """Report a message of the conversation, if somebody said it."""
        if item.role not in SPEAKERS:
            return
        metrics: Mapping[str, Any] = item.metrics
        # In text, the model's time is all that passes.
        model_seconds = metrics.get("llm_node_ttft")
        if not self.has_sound and model_seconds is not None:
            metrics = {"e2e_latency": model_seconds, **metrics}
        parts = self.latency.record(item.role, metrics)
        self._report(
            SPEAKERS[item.role],
            item.text_content or "",
            metrics.get("started_speaking_at") or item.created_at,
            metrics.get("stopped_speaking_at"),
            interrupted=bool(item.interrupted),
            **({"latency": parts} if parts else {}),
        )

    def add_held(self, text: str, metrics: Mapping[str, Any]) -> None:
        """Report a turn of the callee that is not answered."""
        began = metrics.get("started_speaking_at")
        self._report("callee", text, began, metrics.get("stopped_speaking_at"), interrupted=False)

    def _report(
        self, role: str, text: str, began: float | None, ended: float | None, **more: Any
    ) -> None:
        spoken = text.strip()
        if not spoken:
            return
        language = self.language if role == "agent" else self.heard_language
        if ended is not None:
            more["ended_at"] = timestamp(ended)
        if language:
            more["language"] = language
        self.journal.add("turn", role=role, text=spoken, started_at=timestamp(began), **more)


def report_fallbacks(parts: Parts, journal: Journal) -> None:
    """Report every provider that fails while another one takes over."""
    for kind in PART_KINDS:
        adapter = getattr(parts, kind)
        if isinstance(adapter, ADAPTERS):
            listen: Any = adapter.on
            listen(f"{kind}_availability_changed", partial(_on_availability, kind, journal))


def _on_availability(kind: str, journal: Journal, event: Any) -> None:
    if event.available:
        return
    provider = str(getattr(event, kind).provider)
    text = "It failed, and the next one takes over"
    journal.add("error", part=kind, provider=provider, text=text, fallback=True)


def report_error(event: ErrorEvent, journal: Journal) -> None:
    """Report what a provider did wrong."""
    error = event.error
    journal.add(
        "error",
        part=str(getattr(error, "type", "")).removesuffix("_error"),
        provider=str(getattr(event.source, "provider", "")),
        # The class alone: a provider's words may repeat what was said.
        text=type(getattr(error, "error", error)).__name__,
        fallback=bool(getattr(error, "recoverable", False)),
    )


def report_nothing_understood(
    event: UserTranscriptionTimeoutEvent, parts: Parts, journal: Journal
) -> None:
    """Report why the agent does not answer: there was speech, or what sounded like it."""
    text = f"Nothing was understood of {event.speech_duration:.0f} s of speech"
    provider = str(getattr(parts.stt, "provider", ""))
    journal.add("error", part="stt", provider=provider, text=text, fallback=False)
