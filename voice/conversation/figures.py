"""What a conversation took: the latency of its turns, and what its models counted."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# The framework's names, and ours.
PARTS = {
    "end_of_turn_delay": "end_of_turn",
    "transcription_delay": "stt",
    "llm_node_ttft": "llm",
    "tts_node_ttfb": "tts",
    "e2e_latency": "total",
}
# What a model counts, by the framework's names.
COUNTS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "characters_count": "characters",
    "audio_duration": "seconds",
    "input_audio_duration": "seconds",
}
USAGE_KINDS = {
    "llm_usage": "llm",
    "tts_usage": "tts",
    "stt_usage": "stt",
    "eot_usage": "turn_detection",
}


@dataclass
class Latency:
    """Parts of the agent's turns, in seconds. The callee's part of a turn precedes its answer."""

    answer_to_audio: float | None = None
    turns: list[dict[str, float]] = field(default_factory=list)
    _callee: dict[str, float] = field(default_factory=dict)

    def record(self, role: str, metrics: Mapping[str, Any]) -> dict[str, float]:
        """Add what the framework measured at one message, and return the parts of the agent's
        turn: what the callee waited for since their own, which has none.
        """
        parts = {
            ours: round(float(metrics[theirs]), 3)
            for theirs, ours in PARTS.items()
            if isinstance(metrics.get(theirs), int | float)
        }
        if role == "user":
            self._callee = parts
            return {}
        whole, self._callee = {**self._callee, **parts}, {}
        if "total" in whole:
            self.turns.append(whole)
        return whole

    def summary(self) -> dict[str, float]:
        """Return the figures of the call; those that were not measured are left out."""
        totals = [turn["total"] for turn in self.turns]
        found = {
            "answer_to_audio": self.answer_to_audio,
            "p50": percentile(totals, 50),
            "p95": percentile(totals, 95),
        }
        return {name: value for name, value in found.items() if value is not None}


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the smallest value that `share` percent do not exceed; None without values."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)]


def usage_items(models: Iterable[Any]) -> list[dict[str, Any]]:
    """Return what each model counted, in the shape of the `usage` report."""
    items = []
    for model in models:
        item: dict[str, Any] = {
            "kind": USAGE_KINDS.get(model.type, model.type),
            "provider": model.provider,
            "model": model.model,
        }
        for theirs, ours in COUNTS.items():
            if value := getattr(model, theirs, None):
                item[ours] = round(value, 3)
        items.append(item)
    return items
