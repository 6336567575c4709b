"""What staff order of an agent, in what its draft differs from what talks, and where it is used."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import unified_diff
from typing import Any, NamedTuple
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.auth.principal import Principal
from accounts.staff.panels import Order
from agents import secrets, services
from agents.models import CONFIG_FIELDS, Agent, AgentVersion
from agents.rehearsing.rehearsals import order_rehearsal, scripts_of
from agents.voice_workers import (
    find_speech_warnings,
    find_unspoken_versions,
    list_voice_workers,
)
from voiceops.core.errors import Invalid
from voiceops.core.extension_points import ExtensionPoint

LISTED_VERSIONS = 20
DIFF_HEADER_LINES = 3  # file names and position, which fields of an agent have not


class AgentUse(NamedTuple):
    """What uses an agent: in words, and the rows by name with their admin page."""

    label: str
    page: str
    rows: Sequence[tuple[str, UUID]]


# The apps above know who calls with an agent, and who answers.
AGENT_USES: ExtensionPoint[Callable[[Agent], AgentUse]] = ExtensionPoint("uses of an agent")


class DiffLine(NamedTuple):
    """A line of a difference; `kind` is `added`, `removed` or `same`."""

    kind: str
    text: str


def order_publishing(request: HttpRequest, agent: Agent, principal: Principal) -> str:
    """Publish the draft. Raises NotFound and StateForbids."""
    published = services.publish_agent(agent=agent, principal=principal)
    return f"Version {published.published_version} is published: the next calls use it."


def order_rollback(request: HttpRequest, agent: Agent, principal: Principal) -> str:
    """Publish an earlier version again. Raises Invalid and NotFound."""
    number = request.POST.get("version", "")
    if not number.isdecimal():
        raise Invalid("Choose a version")
    services.rollback_agent(agent=agent, version=int(number), principal=principal)
    return f"Version {number} is published again: the next calls use it."


def order_rehearsing(request: HttpRequest, agent: Agent, principal: Principal) -> str:
    """Rehearse the draft. Raises StateForbids and Invalid."""
    order_rehearsal(agent=agent, principal=principal)
    return "The draft is being rehearsed."


def order_copy(request: HttpRequest, agent: Agent, principal: Principal) -> HttpResponse:
    """Make a copy of the draft, and go to its page."""
    copy = services.duplicate_agent(agent=agent, principal=principal)
    return redirect("admin:agents_agent_change", copy.pk)


AGENT_ORDERS: Mapping[str, Order] = {
    "publish": order_publishing,
    "rollback": order_rollback,
    "rehearse": order_rehearsing,
    "copy": order_copy,
}


def agent_panel(agent: Agent) -> dict[str, Any]:
    """Return what the panel of an agent shows."""
    versions = list(agent.versions.order_by("-number")[:LISTED_VERSIONS])
    published = services.find_published_version(agent)
    unspoken = find_unspoken_versions(agent.versions.all())
    return {
        "versions": versions,
        "published": published,
        "changes": list(_changes_since(agent, published)),
        "published_warnings": [text for version in unspoken for text in version.warnings],
        "uses": [find_uses(agent) for find_uses in AGENT_USES.all()],
        "variables": agent.variables or [],
        "warnings": find_speech_warnings(agent.config(), list_voice_workers()),
        "has_scripts": bool(scripts_of(agent).content["scripts"]),
        "rehearsal": agent.rehearsals.order_by("-pk").first(),
    }


def _changes_since(
    agent: Agent, published: AgentVersion | None
) -> Iterator[tuple[str, list[DiffLine]]]:
    """Yield each field in which the draft differs, line by line, with secrets masked."""
    if published is None:
        return
    before, after = published.config_with_secrets(), agent.config()
    masked_before, masked_after = secrets.mask_secrets(before), secrets.mask_secrets(after)
    for name in CONFIG_FIELDS:
        if before.get(name) != after.get(name):
            old = _lines_of({**before, **masked_before}.get(name))
            new = _lines_of({**after, **masked_after}.get(name))
            yield name, _compare(old, new)


def _compare(old: list[str], new: list[str]) -> list[DiffLine]:
    kinds = {"+": "added", "-": "removed"}
    lines = list(unified_diff(old, new, lineterm=""))[DIFF_HEADER_LINES:]
    found = [
        DiffLine(kinds.get(line[:1], "same"), line) for line in lines if not line.startswith("@@")
    ]
    return found or [DiffLine("same", "A secret is another one.")]


def _lines_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.splitlines()
    return json.dumps(value, indent=2, ensure_ascii=False).splitlines()
