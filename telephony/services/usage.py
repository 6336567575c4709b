"""What a call used, what that cost, and how long its callee waited, as the agent reports it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from telephony.models import Call, Turn
from voiceops.core.prices import MILLION, price_items, price_table, total_micros

LATENCY_FIGURES = ("answer_to_audio", "p50", "p95")


def record_usage(call: Call, data: Mapping[str, Any]) -> str:
    """Keep the usage of a report, which counts the whole call so far; returns its sentence."""
    changes: dict[str, Any] = {}
    if items := data.get("items"):
        changes = {"usage": price_items(items), "cost_micros": total_micros(items)}
    if latency := data.get("latency"):
        changes["latency"] = _complete({**(call.latency or {}), **latency})
    _save(call, changes)
    cost = changes.get("cost_micros")
    if cost is None:
        return "The agent reported its usage"
    return f"The agent reported its usage: {cost / MILLION:.4f} {price_table().currency}"


def record_turn_latency(call: Call, turns: Sequence[Turn]) -> None:
    """Keep the latency of the turns so far, `turns` the newest of them, saved: of an agent that
    does not sum it up by itself.
    """
    if not any(turn.latency for turn in turns):
        return
    parts = Turn.unscoped.filter(call=call, latency__isnull=False).values_list("latency", flat=True)
    totals = sorted(part["total"] for part in parts if part and "total" in part)
    if totals:
        figures = {"p50": _percentile(totals, 50), "p95": _percentile(totals, 95)}
        _save(call, {"latency": _complete({**(call.latency or {}), **figures})})


def _save(call: Call, changes: dict[str, Any]) -> None:
    if changes:
        Call.unscoped.filter(pk=call.pk).update(**changes)
        for name, value in changes.items():
            setattr(call, name, value)


def _complete(figures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: figures.get(name) for name in LATENCY_FIGURES}


def _percentile(values: Sequence[float], share: int) -> float:
    """Return the smallest of the sorted values that `share` percent do not exceed."""
    return values[max(0, math.ceil(len(values) * share / 100) - 1)]
