"""Dispositions: how a call went, in the agent's own words, each with a consequence.

{"name": "call back", "label": "Wants a call", "consequence": {"type": "retry", ...}}
"""

from collections.abc import Mapping
from typing import Any, Protocol

FINISH: Mapping[str, Any] = {"type": "finish"}
# Of a consequence that says no delay or number of days itself.
DEFAULT_DELAY_MINUTES = 60
DEFAULT_REST_DAYS = 30


class Version(Protocol):
    """A published version of an agent."""

    config: dict[str, Any]


def declared_dispositions(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the dispositions of an agent's configuration, in its order."""
    return list(config.get("dispositions") or [])


def find_disposition(config: Mapping[str, Any], name: object) -> dict[str, Any] | None:
    """Return the agent's disposition of that name, in whatever case; None for no such one."""
    wanted = str(name).strip().casefold()
    declared = declared_dispositions(config)
    return next((item for item in declared if item["name"].casefold() == wanted), None)


def consequence_of(version: Version | None, name: str | None) -> Mapping[str, Any] | None:
    """Return what a call's disposition leads to, complete; None without a disposition."""
    if version is None or name is None:
        return None
    disposition = find_disposition(version.config, name)
    if disposition is None:
        return None
    defaults = {"delay_minutes": DEFAULT_DELAY_MINUTES, "days": DEFAULT_REST_DAYS}
    return {**defaults, **(disposition.get("consequence") or FINISH)}
