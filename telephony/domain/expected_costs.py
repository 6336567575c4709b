"""What a call of an agent will probably cost: by its last calls, else by the price table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agents.models import AgentVersion
from telephony.models import Call, Direction, Stage
from voiceops.core.prices import total_micros, unpriced_names

RECENT_CALLS = 200
# A typical conversation, assumed before an agent has had one.
TYPICAL_TALK_SECONDS = 60.0
TYPICAL_TURNS = 8
SPOKEN_CHARACTERS_PER_SECOND = 15.0
AGENTS_SHARE = 0.5  # of the talk
CHARACTERS_PER_TOKEN = 4
CONTEXT_TOKENS = 500  # tools and what was said before, at each turn
ANSWER_TOKENS = 40
ANSWERED_SHARE = 0.5


@dataclass(frozen=True)
class ExpectedCost:
    """Of one answered call, in millionths; None when nothing says what it costs.

    `calls` is how many of the agent's answered calls say so, 0 for the price table; `unpriced` are
    models of the agent without a price.
    """

    micros: int | None
    answered_share: float
    calls: int = 0
    unpriced: tuple[str, ...] = ()


def expect_cost(version: AgentVersion) -> ExpectedCost:
    """Return what a call of the agent's version will probably cost."""
    # The filter of the index `call_by_agent`.
    recent = Call.unscoped.listed().filter(workspace=version.workspace_id, agent=version.agent_id)
    ended = recent.filter(stage=Stage.ENDED, direction=Direction.OUTBOUND).order_by("-pk")
    rows = list(ended.values_list("answered_at", "cost_micros")[:RECENT_CALLS])
    answered = [cost for answered_at, cost in rows if answered_at is not None]
    costs = [cost for cost in answered if cost is not None]
    typical = typical_cost(version.config)
    if not costs:
        return typical
    mean, share = round(sum(costs) / len(costs)), len(answered) / len(rows)
    return ExpectedCost(mean, share, len(costs), typical.unpriced)


def typical_cost(config: Mapping[str, Any]) -> ExpectedCost:
    """Return what a conversation of a minute costs by the price table."""
    items = typical_usage(config)
    unpriced = tuple(unpriced_names(items))
    return ExpectedCost(total_micros(items), ANSWERED_SHARE, unpriced=unpriced)


def typical_usage(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a typical conversation uses of the models that the configuration names."""
    prompt_tokens = len(config.get("system_prompt", "")) / CHARACTERS_PER_TOKEN
    spoken = TYPICAL_TALK_SECONDS * AGENTS_SHARE * SPOKEN_CHARACTERS_PER_SECOND
    amounts: dict[str, dict[str, float]] = {
        "llm": {
            "input_tokens": TYPICAL_TURNS * (prompt_tokens + CONTEXT_TOKENS),
            "output_tokens": TYPICAL_TURNS * ANSWER_TOKENS,
        },
        "stt": {"seconds": TYPICAL_TALK_SECONDS},
        "tts": {"characters": spoken},
    }
    items = []
    for kind, amount in amounts.items():
        model = config.get(kind) or {}
        if provider := model.get("provider"):
            names = {"provider": str(provider), "model": str(model.get("model") or "")}
            items.append({"kind": kind, **names, **amount})
    return items


class ExpectedCosts:
    """Expectations by version of an agent, each read once; 0 where nothing is known."""

    def __init__(self) -> None:
        self._micros: dict[UUID | None, int] = {None: 0}

    def of(self, version_id: UUID | None) -> int:
        """Return what an answered call of the version will probably cost, in millionths."""
        if version_id is not None and version_id not in self._micros:
            version = AgentVersion.unscoped.filter(pk=version_id).first()
            micros = expect_cost(version).micros if version else None
            self._micros[version_id] = micros or 0
        return self._micros[version_id]
