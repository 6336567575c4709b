"""What a call used, what that cost, and how long its callee waited, as the agent reports it."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from telephony.domain.carriers import carrier_of
from telephony.models import Call, Direction, Turn
from voiceops.core.prices import (
    MILLION,
    carrier_item,
    describe_unpriced,
    has_carrier_prices,
    price_items,
    price_table,
    total_micros,
    unpriced_names,
)

MAX_NAMED_ITEMS = 3  # of those without a price
LATENCY_FIGURES = ("answer_to_audio", "p50", "p95")


def record_usage(call: Call, data: Mapping[str, Any], at: datetime) -> str:
    """Keep the usage of a report, which counts the whole call until `at` by the agent's clock.

    Returns its sentence.
    """
    changes: dict[str, Any] = {}
    if items := [*data.get("items", ()), *_carrier_items(call, at)]:
        changes = {"usage": price_items(items), "cost_micros": total_micros(items)}
    if latency := data.get("latency"):
        changes["latency"] = _complete({**(call.latency or {}), **latency})
    _save(call, changes)
    text = "The agent reported its usage"
    cost = changes.get("cost_micros")
    if cost is not None:
        text += f": {cost / MILLION:.4f} {price_table().currency}"
    if unpriced := unpriced_names(items)[:MAX_NAMED_ITEMS]:
        text += f", without {describe_unpriced(unpriced)}"
    return text


def _carrier_items(call: Call, at: datetime) -> list[dict[str, Any]]:
    """Return the minutes of a call that was dialled, if its carrier has a price."""
    if not has_carrier_prices() or call.direction != Direction.OUTBOUND:
        return []
    number, answered_at = call.number, call.answered_at
    if number is None or answered_at is None:
        return []
    until = call.ended_at or min(at, timezone.now())
    seconds = max(0.0, (until - answered_at).total_seconds())
    item = carrier_item(carrier_of(number), call.to_number, round(seconds, 3))
    return [] if item is None else [item]


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
