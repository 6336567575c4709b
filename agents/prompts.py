"""Variables of prompts: `{{name}}` is replaced by the variable's value as plain text.

There are no attributes and no filters, and there is one pass only: a value that itself contains
`{{x}}` stays as it is. So does a name without a value, which makes typing errors visible.
"""

import re
from collections.abc import Mapping
from typing import Any

from voiceops.core.json_text import dump_json

# The name is bounded in length and excludes braces, so that no text makes the search slow.
PLACEHOLDER = re.compile(r"\{\{([^{}]{1,120})\}\}")


def declared_variables(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the variables that an agent's configuration declares, in its order."""
    return config.get("variables") or []


def find_missing_variables(config: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Return the required variables that have neither a value nor a default, in the agent's
    order.
    """
    complete = complete_variables(config, values)
    required = [
        variable["name"] for variable in declared_variables(config) if variable.get("required")
    ]
    return [name for name in required if _is_blank(complete[name])]


def complete_variables(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with every declared variable that is blank set to its default, or to an
    empty text without one.
    """
    complete = dict(values)
    for variable in declared_variables(config):
        if _is_blank(complete.get(variable["name"])):
            complete[variable["name"]] = variable.get("default") or ""
    return complete


def render(text: str, variables: Mapping[str, Any]) -> str:
    """Return `text` with every `{{name}}` that has a value replaced by it."""
    return PLACEHOLDER.sub(lambda match: _replacement_for(match, variables), text)


def _replacement_for(match: re.Match[str], variables: Mapping[str, Any]) -> str:
    name = match[1].strip()
    if name not in variables:
        return match[0]
    value = variables[name]
    # Values sent as JSON keep their types; what is not text is written as JSON.
    if value is None:
        return ""
    return value if isinstance(value, str) else dump_json(value)


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
