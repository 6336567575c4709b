"""What of an agent's configuration is secret, and keeping it beside the rest, encrypted for its
row.

Secret are the headers of tools, which are credentials at customers' systems, and the options of
`llm`, `stt` and `tts` that the contract does not name, for a provider's key may be among them. See
docs/decisions/0010-sealed-agents.md.
"""

import json
from collections.abc import Mapping
from typing import Any

from voiceops.core import crypto

KNOWN: dict[str, tuple[str, ...]] = {
    "llm": ("provider", "model", "temperature"),
    "stt": ("provider", "model"),
    "tts": ("provider", "model", "voice", "speed"),
}
FIELDS = ("tools", *KNOWN)  # those that may have something secret in them
COLUMN = "sealed"
MASK = "********"  # what staff see of a secret, and send back to leave it as it is
Config = dict[str, Any]


def split_secrets(config: Mapping[str, Any]) -> tuple[Config, Config]:
    """What may be read in the table, and what may not; the latter empty where there is no secret."""
    plain, secret = dict(config), Config()
    for field, known in KNOWN.items():
        options = config.get(field) or {}
        if hidden := {name: value for name, value in options.items() if name not in known}:
            secret[field] = hidden
            plain[field] = {name: value for name, value in options.items() if name in known}
    tools = config.get("tools") or []
    if headers := [_place(at, tool) for at, tool in enumerate(tools) if "headers" in tool]:
        secret["tools"] = headers
        plain["tools"] = [
            {name: value for name, value in tool.items() if name != "headers"} for tool in tools
        ]
    return plain, secret


def merge_secrets(plain: Mapping[str, Any], secret: Mapping[str, Any]) -> Config:
    """The inverse. What stands readable wins: a release that did not seal has written it, later."""
    config = dict(plain)
    for field in KNOWN:
        if field in secret:
            config[field] = {
                **(plain.get(field) or {}),
                **secret[field],
                **(plain.get(field) or {}),
            }
    tools = [dict(tool) for tool in plain.get("tools") or []]
    for place in secret.get("tools", ()):
        # A credential goes to the tool it was given for and no other, whatever became of the list
        # meanwhile.
        if place["at"] < len(tools) and tools[place["at"]].get("name") == place["name"]:
            tools[place["at"]].setdefault("headers", place["headers"])
    return {**config, "tools": tools} if "tools" in plain else config


def encrypt(secret: Mapping[str, Any], *, table: str, pk: object) -> str:
    """What to store for it; nothing for nothing."""
    return (
        crypto.encrypt(json.dumps(secret), crypto.context_of(table, COLUMN, pk)) if secret else ""
    )


def decrypt(token: str, *, table: str, pk: object) -> Config:
    """Raises crypto.DecryptError."""
    secret: Config = (
        json.loads(crypto.decrypt(token, crypto.context_of(table, COLUMN, pk))) if token else {}
    )
    return secret


def mask_secrets(config: Mapping[str, Any]) -> Config:
    """The fields that may have secrets, with every text in a secret hidden."""
    plain, secret = split_secrets({field: config[field] for field in FIELDS})
    return merge_secrets(
        plain,
        {
            name: _mask_places(part) if name == "tools" else _mask(part)
            for name, part in secret.items()
        },
    )


def restore_masked(field: str, given: Any, stored: Any) -> Any:
    """What was given, with what is stored where the mask was left. Raises LookupError where nothing
    is behind it.
    """
    if field != "tools":
        return _unmask(given, stored)
    before = {tool.get("name"): tool for tool in stored or []}
    return [
        {
            **tool,
            "headers": _unmask(
                tool["headers"], before.get(tool.get("name"), {}).get("headers", {})
            ),
        }
        if "headers" in tool
        else tool
        for tool in given
    ]


def _mask_places(places: list[Config]) -> list[Config]:
    return [{**place, "headers": _mask(place["headers"])} for place in places]


def _mask(secret: Any) -> Any:
    if isinstance(secret, Mapping):
        return {name: _mask(value) for name, value in secret.items()}
    if isinstance(secret, list):
        return [_mask(value) for value in secret]
    return MASK if isinstance(secret, str) else secret


def _unmask(given: Any, stored: Any) -> Any:
    if isinstance(given, Mapping):
        behind = stored if isinstance(stored, Mapping) else {}
        return {name: _unmask(value, behind.get(name)) for name, value in given.items()}
    if isinstance(given, list):
        old = (
            stored
            if isinstance(stored, list) and len(stored) == len(given)
            else [None] * len(given)
        )
        return [_unmask(value, before) for value, before in zip(given, old, strict=True)]
    if given == MASK and not isinstance(stored, str):
        raise LookupError("Nothing is stored behind the mask; write the value itself")
    return stored if given == MASK else given


def _place(at: int, tool: Mapping[str, Any]) -> Config:
    return {"at": at, "name": tool.get("name"), "headers": tool["headers"]}
