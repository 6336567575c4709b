"""What a conversation would have used of the models that the agent's configuration names."""

from collections.abc import Mapping, Sequence
from typing import Any

CHARACTERS_PER_TOKEN = 4
CHARACTERS_PER_SECOND = 15.0


def usage_items(
    config: Mapping[str, Any], turns: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Return the items of a report of usage; none for models without a provider.

    `turns` are roles and texts. A model reads the prompt and everything said before at each turn of
    the agent's.
    """
    prompt_characters, spoken_characters = len(str(config.get("system_prompt") or "")), 0
    input_characters = own_characters = 0
    for role, text in turns:
        if role == "agent":
            input_characters += prompt_characters + spoken_characters
            own_characters += len(text)
        spoken_characters += len(text)
    counted: dict[str, dict[str, float]] = {
        "llm": {
            "input_tokens": input_characters // CHARACTERS_PER_TOKEN,
            "output_tokens": own_characters // CHARACTERS_PER_TOKEN,
        },
        "stt": {"seconds": round(spoken_characters / CHARACTERS_PER_SECOND, 1)},
        "tts": {"characters": own_characters},
    }
    items = []
    for kind, amounts in counted.items():
        model = config.get(kind)
        if isinstance(model, Mapping) and model.get("provider"):
            names = {"provider": str(model["provider"]), "model": str(model.get("model") or "")}
            items.append({"kind": kind, **names, **amounts})
    return items
