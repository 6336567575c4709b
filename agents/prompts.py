"""Variables of prompts: `{{name}}` is replaced by text, and that is all.

No attribute, no filter, no second pass: a value that itself contains `{{x}}` is spoken as it is. A
name nobody gave a value stays as it was written, so that a typing error shows in the rehearsal.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

# Bounded on both sides of the name, so that no text makes it slow.
PLACEHOLDER = re.compile(r"\{\{([^{}]{1,120})\}\}")


def missing_variables(config: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Required variables of a version's config that have neither a value nor a default, in the
    agent's order.
    """
    complete = complete_variables(config, values)
    required = [variable["name"] for variable in _declared(config) if variable.get("required")]
    return [name for name in required if _is_blank(complete[name])]


def complete_variables(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values given, with defaults where they are blank and an empty text for every other
    variable declared.
    """
    complete = dict(values)
    for variable in _declared(config):
        if _is_blank(complete.get(variable["name"])):
            complete[variable["name"]] = variable.get("default") or ""
    return complete


def render(text: str, variables: Mapping[str, Any]) -> str:
    """`text` with every `{{name}}` that has a value replaced by it."""
    return PLACEHOLDER.sub(lambda found: _spoken(found, variables), text)


def _spoken(found: re.Match[str], variables: Mapping[str, Any]) -> str:
    name = found[1].strip()
    if name not in variables:
        return found[0]
    value = variables[name]
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _declared(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    return config.get("variables") or []


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
