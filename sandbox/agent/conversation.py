"""The conversation of a call, made from the agent's own first message and variables."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TEMPLATE_PLACEHOLDER = re.compile(r"\{\{([^{}]{1,120})\}\}")


@dataclass(frozen=True)
class Turn:
    """`share` is the time at which the turn begins, as a share of the whole talk."""

    share: float
    role: str
    text: str
    interrupted: bool = False


def fill_placeholders(template: str, variables: Mapping[str, Any]) -> str:
    """Replace `{{name}}` by the variable's value as plain text.

    An unknown name stays as it was written, as the voice worker speaks it: a typing error in a
    prompt is then heard in the rehearsal, instead of a pause.
    """
    return TEMPLATE_PLACEHOLDER.sub(lambda match: _value_of(match, variables), template)


def _value_of(match: re.Match[str], variables: Mapping[str, Any]) -> str:
    value = variables.get(match[1].strip(), match[0])
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def talk_with_human(agent: Mapping[str, Any], variables: Mapping[str, Any]) -> list[Turn]:
    """Return six turns that begin with the agent's first message."""
    known = "; ".join(
        f"{name}: {value}" for name, value in variables.items() if value not in (None, "")
    )
    check = "Is this a good moment to talk?"
    if known:
        check = f"Let me read back what I have. {known}. Is that right?"
    return [
        Turn(0.03, "agent", opening_of(agent, variables)),
        Turn(0.18, "callee", "Hello, yes, speaking."),
        Turn(0.32, "agent", check),
        Turn(0.50, "callee", "Yes, that is right."),
        Turn(0.65, "agent", "Thank you, that is all I needed. Goodbye."),
        Turn(0.80, "callee", "Goodbye."),
    ]


def opening_of(agent: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    """Return the agent's first message, or a greeting without one."""
    first_message = fill_placeholders(str(agent.get("first_message") or ""), variables).strip()
    return first_message or "Hello, thank you for taking my call."


def talk_with_machine(agent: Mapping[str, Any], variables: Mapping[str, Any]) -> list[Turn]:
    """Return the machine's greeting, which the agent's opening interrupts."""
    return [
        Turn(0.0, "callee", "Hello, nobody can take your call right now."),
        Turn(0.0, "agent", opening_of(agent, variables), interrupted=True),
        Turn(0.0, "callee", "Please leave a message after the tone."),
        Turn(0.0, "callee", "(tone)"),
    ]


def message_for_machine(agent: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    """Return the message that the agent leaves on a machine."""
    voicemail = agent.get("voicemail") or {}
    template = str(voicemail.get("message") or agent.get("first_message") or "")
    return fill_placeholders(template, variables).strip() or "Please call us back."


def analyse(
    agent: Mapping[str, Any], turns: Sequence[tuple[str, str]], variables: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the agent's `analysis` asks for, made by rule from the turns (role and text).

    It is empty when the agent asks for nothing.
    """
    wanted = agent.get("analysis") or {}
    analysis: dict[str, Any] = {}
    last_words = next((text for role, text in reversed(turns) if role == "callee"), "")
    if wanted.get("summary"):
        analysis["summary"] = _summary(turns, last_words)

    fields = [field for field in wanted.get("fields") or [] if isinstance(field, dict)]
    if fields:
        analysis["fields"] = {
            _field_name(field) or f"field_{number}": _field_value(
                field, turns, variables, last_words
            )
            for number, field in enumerate(fields, start=1)
        }
    return analysis


def _summary(turns: Sequence[tuple[str, str]], last_words: str) -> str:
    if not last_words:
        return "Nothing was said."
    return f'{len(turns)} turns; the callee last said "{last_words}"'


def _field_name(field: Mapping[str, Any]) -> str:
    return str(field.get("name") or field.get("title") or "")


def _field_value(
    field: Mapping[str, Any],
    turns: Sequence[tuple[str, str]],
    variables: Mapping[str, Any],
    last_words: str,
) -> Any:
    name, choices = _field_name(field), field.get("enum")
    if variables.get(name) not in (None, ""):
        return variables[name]
    if isinstance(choices, list) and choices:
        return choices[0]
    by_type = {"boolean": True, "integer": len(turns), "number": len(turns)}
    return by_type.get(str(field.get("type")), last_words)
