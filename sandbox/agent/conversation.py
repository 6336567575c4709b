"""What is said on a call, made from the agent's own first message and variables."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PLACEHOLDER = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")


@dataclass(frozen=True)
class Turn:
    """`share` is when the turn begins, as a share of the talk."""

    share: float
    role: str
    text: str
    interrupted: bool = False


def fill_placeholders(template: str, variables: Mapping[str, Any]) -> str:
    """`{{name}}` becomes the variable's value as plain text; an unknown one becomes nothing."""
    return PLACEHOLDER.sub(lambda match: str(variables.get(match[1], "")), template)


def talk_with_human(agent: Mapping[str, Any], variables: Mapping[str, Any]) -> list[Turn]:
    """Six turns, the agent's first message first."""
    opening = opening_of(agent, variables)
    known = "; ".join(
        f"{name}: {value}" for name, value in variables.items() if value not in (None, "")
    )
    check = (
        f"Let me read back what I have. {known}. Is that right?"
        if known
        else "Is this a good moment to talk?"
    )
    return [
        Turn(0.03, "agent", opening),
        Turn(0.18, "callee", "Hello, yes, speaking."),
        Turn(0.32, "agent", check),
        Turn(0.50, "callee", "Yes, that is right."),
        Turn(0.65, "agent", "Thank you, that is all I needed. Goodbye."),
        Turn(0.80, "callee", "Goodbye."),
    ]


def opening_of(agent: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    return (
        fill_placeholders(str(agent.get("first_message") or ""), variables).strip()
        or "Hello, thank you for taking my call."
    )


def talk_with_machine(agent: Mapping[str, Any], variables: Mapping[str, Any]) -> list[Turn]:
    """The machine's greeting, and the agent that begins to talk into it."""
    return [
        Turn(0.0, "callee", "Hello, nobody can take your call right now."),
        Turn(0.0, "agent", opening_of(agent, variables), interrupted=True),
        Turn(0.0, "callee", "Please leave a message after the tone."),
        Turn(0.0, "callee", "(tone)"),
    ]


def message_for_machine(agent: Mapping[str, Any], variables: Mapping[str, Any]) -> str:
    voicemail = agent.get("voicemail") or {}
    return (
        fill_placeholders(
            str(voicemail.get("message") or agent.get("first_message") or ""), variables
        ).strip()
        or "Please call us back."
    )


def analyse(
    agent: Mapping[str, Any], turns: Sequence[tuple[str, str]], variables: Mapping[str, Any]
) -> dict[str, Any]:
    """What the agent's `analysis` asks for, by rule, from what was said (role and text); empty when
    it asks nothing.
    """
    wanted = agent.get("analysis") or {}
    found: dict[str, Any] = {}
    last = next((text for role, text in reversed(turns) if role == "callee"), "")
    if wanted.get("summary"):
        found["summary"] = (
            f'{len(turns)} turns; the callee last said "{last}"' if last else "Nothing was said."
        )
    if fields := [field for field in wanted.get("fields") or [] if isinstance(field, dict)]:
        found["fields"] = {
            str(field.get("name") or field.get("title") or f"field_{number}"): _field_value(
                field, turns, variables, last
            )
            for number, field in enumerate(fields, start=1)
        }
    return found


def _field_value(
    field: Mapping[str, Any],
    turns: Sequence[tuple[str, str]],
    variables: Mapping[str, Any],
    last: str,
) -> Any:
    name, choices = str(field.get("name") or field.get("title") or ""), field.get("enum")
    if variables.get(name) not in (None, ""):
        return variables[name]
    if isinstance(choices, list) and choices:
        return choices[0]
    by_type = {"boolean": True, "integer": len(turns), "number": len(turns)}
    return by_type.get(str(field.get("type")), last)
