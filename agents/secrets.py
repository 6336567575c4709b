"""Which parts of an agent's configuration are secret, and how they are stored encrypted.

Secret are the headers of tools, which are credentials for customers' systems, and the options of
`llm`, `stt` and `tts` that the contract does not name, because a provider's key may be among them.
So are their fallbacks, which may have such options.
They are kept beside the rest, encrypted for their row. See docs/decisions/0010-agents-secrets.md.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from voiceops.core import crypto

DOCUMENTED_OPTIONS: dict[str, tuple[str, ...]] = {
    "llm": ("provider", "model", "temperature"),
    "stt": ("provider", "model", "keyterms"),
    "tts": ("provider", "model", "voice", "speed", "pronunciation"),
}
# Key of the secret part -> field of a tool. Releases before `secret_headers` read `tools` alone.
TOOL_SECRETS = {"tools": "headers", "secret_headers": "secret_headers"}
SECRET_FIELDS = ("tools", *DOCUMENTED_OPTIONS)  # the fields that may contain secrets
SEALED_COLUMN = "sealed"
MASK = "********"  # what staff see of a secret, and send back to leave it unchanged
Config = dict[str, Any]


def split_secrets(config: Mapping[str, Any]) -> tuple[Config, Config]:
    """Return the part that may be stored as plain text, and the secret part, which may be empty."""
    plain, secret = dict(config), Config()
    for field, documented in DOCUMENTED_OPTIONS.items():
        options = config.get(field) or {}
        if hidden := {name: value for name, value in options.items() if name not in documented}:
            secret[field] = hidden
            plain[field] = {name: value for name, value in options.items() if name in documented}

    tools = config.get("tools") or []
    for key, field in TOOL_SECRETS.items():
        if found := [
            _tool_secret(at, tool, field) for at, tool in enumerate(tools) if field in tool
        ]:
            secret[key] = found
            plain["tools"] = [_without_headers(tool) for tool in tools]
    return plain, secret


def merge_secrets(plain: Mapping[str, Any], secret: Mapping[str, Any]) -> Config:
    """Return the whole configuration: the inverse of `split_secrets`.

    Values in the plain part win, because a release that did not encrypt wrote them later.
    """
    config = dict(plain)
    for field in DOCUMENTED_OPTIONS:
        if field in secret:
            # The plain options come first, to keep their order, and last, to keep their values.
            options = plain.get(field) or {}
            config[field] = {**options, **secret[field], **options}

    # Copies, because the caller's configuration must not receive headers.
    tools = [dict(tool) for tool in plain.get("tools") or []]
    for key, field in TOOL_SECRETS.items():
        for entry in secret.get(key, ()):
            # A credential goes to the tool it was given for and no other, however the list changed.
            at = entry["at"]
            if at < len(tools) and tools[at].get("name") == entry["name"]:
                tools[at].setdefault(field, entry["headers"])
    return {**config, "tools": tools} if "tools" in plain else config


def encrypt(secret: Mapping[str, Any], *, table: str, pk: object) -> str:
    """Encrypt the secret part for its row. An empty part becomes an empty text."""
    if not secret:
        return ""
    return crypto.encrypt(json.dumps(secret), crypto.context_of(table, SEALED_COLUMN, pk))


def decrypt(token: str, *, table: str, pk: object) -> Config:
    """Return the secret part of a row.

    Raises crypto.DecryptError when no configured key decrypts it or it belongs to another row.
    """
    if not token:
        return {}
    secret: Config = json.loads(crypto.decrypt(token, crypto.context_of(table, SEALED_COLUMN, pk)))
    return secret


def mask_secrets(config: Mapping[str, Any]) -> Config:
    """Return the fields that may contain secrets, with every text in a secret replaced by MASK."""
    plain, secret = split_secrets({field: config[field] for field in SECRET_FIELDS})
    masked = {
        name: _mask_tools(part) if name in TOOL_SECRETS else _mask_options(name, part)
        for name, part in secret.items()
    }
    return merge_secrets(plain, masked)


def restore_masked(field: str, given: Any, stored: Any) -> Any:
    """Return the given value of a field, with the stored value wherever MASK was left.

    Raises LookupError when nothing is stored behind a mask.
    """
    if field != "tools":
        return _unmask(given, stored)

    # Tools are matched by name, so that a changed order does not mix up their headers.
    stored_tools = {tool.get("name"): tool for tool in stored or []}
    tools = []
    for tool in given:
        old = stored_tools.get(tool.get("name"), {})
        headers = _unmask(tool["headers"], old.get("headers", {})) if "headers" in tool else None
        restored = tool if headers is None else {**tool, "headers": headers}
        tools.append(_with_secret_headers(restored, old))
    return tools


def hide_secret_headers(config: Config) -> Config:
    """Return the configuration as the API answers it, without the values of secret headers."""
    return {**config, "tools": [_hide(tool) for tool in config["tools"]]}


def restore_secret_headers(given: Sequence[Config], stored: Sequence[Config]) -> list[Config]:
    """Return tools that a client has written, with the stored value wherever a mask was left.

    Raises LookupError when nothing is stored behind a mask.
    """
    stored_tools = {tool.get("name"): tool for tool in stored}
    return [_with_secret_headers(tool, stored_tools.get(tool.get("name"), {})) for tool in given]


def _with_secret_headers(tool: Config, old: Config) -> Config:
    """Raises LookupError when nothing is stored behind a mask, or not for this server."""
    if "secret_headers" not in tool:
        return tool
    # Whoever may edit a tool, but not read its credential, must not have it sent elsewhere.
    is_same_server = _server_of(tool) == _server_of(old)
    known = old.get("secret_headers", {}) if is_same_server else {}
    for name, value in tool["secret_headers"].items():
        if value == MASK and name not in known:
            raise LookupError(
                f"The secret header {name} of the tool {tool.get('name')} is not stored for this "
                "server; write its value"
            )
    return {**tool, "secret_headers": _unmask(tool["secret_headers"], known)}


def _server_of(tool: Config) -> tuple[str, str]:
    parts = urlsplit(tool.get("url", ""))
    return parts.scheme, parts.netloc


def _hide(tool: Config) -> Config:
    if "secret_headers" not in tool:
        return tool
    return {**tool, "secret_headers": dict.fromkeys(tool["secret_headers"], MASK)}


def _tool_secret(at: int, tool: Mapping[str, Any], field: str) -> Config:
    return {"at": at, "name": tool.get("name"), "headers": tool[field]}


def _without_headers(tool: Mapping[str, Any]) -> Config:
    return {name: value for name, value in tool.items() if name not in TOOL_SECRETS.values()}


def _mask_tools(entries: list[Config]) -> list[Config]:
    return [{**entry, "headers": _mask(entry["headers"])} for entry in entries]


def _mask_options(part: str, options: Config) -> Config:
    masked = {name: _mask(value) for name, value in options.items()}
    fallbacks = options.get("fallbacks")
    if isinstance(fallbacks, list):
        masked["fallbacks"] = [_mask_fallback(part, item) for item in fallbacks]
    return masked


def _mask_fallback(part: str, item: Any) -> Any:
    """Mask a fallback's options, but not which provider, model and voice it is."""
    if not isinstance(item, Mapping):
        return _mask(item)
    documented = DOCUMENTED_OPTIONS[part]
    return {name: value if name in documented else _mask(value) for name, value in item.items()}


def _mask(secret: Any) -> Any:
    if isinstance(secret, Mapping):
        return {name: _mask(value) for name, value in secret.items()}
    if isinstance(secret, list):
        return [_mask(value) for value in secret]
    return MASK if isinstance(secret, str) else secret


def _unmask(given: Any, stored: Any) -> Any:
    """Raises LookupError when nothing is stored behind a mask."""
    if isinstance(given, Mapping):
        values = stored if isinstance(stored, Mapping) else {}
        return {name: _unmask(value, values.get(name)) for name, value in given.items()}
    if isinstance(given, list):
        # Items have no names: they can be matched only while the list keeps its length.
        is_same_length = isinstance(stored, list) and len(stored) == len(given)
        before = stored if is_same_length else [None] * len(given)
        return [_unmask(value, old) for value, old in zip(given, before, strict=True)]
    if given == MASK and not isinstance(stored, str):
        raise LookupError("Nothing is stored behind the mask; write the value itself")
    return stored if given == MASK else given
