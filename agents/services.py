from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from agents import secrets
from agents.models import CONFIG_FIELDS, Agent, AgentVersion
from voiceops.core.errors import NotFound, StateForbids
from voiceops.core.extension_points import ExtensionPoint

NOT_PUBLISHED = "Agent is not published"
IN_USE = "Agent is in use by a running batch"
COPY = " (copy)"
LONGEST_NAME = 200

AgentUseCheck: TypeAlias = Callable[[Agent], bool]
AGENT_USE_CHECKS: ExtensionPoint[AgentUseCheck] = ExtensionPoint("checks of an agent in use")
AgentDeletionHook: TypeAlias = Callable[[Agent], None]
AGENT_DELETION_HOOKS: ExtensionPoint[AgentDeletionHook] = ExtensionPoint("hooks of agent deletion")


def create_agent(
    *, workspace: Workspace, config: Mapping[str, Any], principal: Principal | None = None
) -> Agent:
    """A new draft, number 1, that no call can use until it is published."""
    with transaction.atomic():
        agent = Agent(workspace=workspace)
        agent.set_draft(config)
        agent.save(force_insert=True)
        _note("agent.created", agent, principal, name=agent.name)
    return agent


def save_draft(
    *, agent: Agent, changes: Mapping[str, Any], principal: Principal | None = None
) -> Agent:
    """Change the draft. The first real change after a publish gives it the next free number."""
    with transaction.atomic():
        current = _locked(agent)
        before = current.config()
        changed = [name for name, value in changes.items() if before[name] != value]
        if changed:
            current.set_draft({**before, **changes})
            if current.version == current.published_version:
                current.version = _next_number(current)
            current.save(
                update_fields={*changed, *secrets.FIELDS, "sealed", "version", "updated_at"}
            )
            _note("agent.updated", current, principal, fields=sorted(changed))
    return current


def publish_agent(*, agent: Agent, principal: Principal | None = None) -> Agent:
    """Freeze the draft as the version that calls created from now on will run. Unchanged, it stays
    that version.
    """
    with transaction.atomic():
        current = _locked(agent)
        if not current.versions.filter(number=current.version).exists():
            current.create_version()
        _point_to(current, current.version)
        _note("agent.published", current, principal, version=current.version)
    return current


def rollback_agent(*, agent: Agent, version: int, principal: Principal | None = None) -> Agent:
    """Publish an earlier version again and make it the draft; unpublished changes are lost. Raises
    NotFound.
    """
    with transaction.atomic():
        current = _locked(agent)
        frozen = current.versions.filter(number=version).first()
        if frozen is None:
            raise NotFound("Agent version not found")
        names = [name for name in CONFIG_FIELDS if name in frozen.config]
        current.set_draft({**current.config(), **frozen.config_with_secrets()})
        current.version = frozen.number
        current.save(update_fields={*names, *secrets.FIELDS, "sealed", "version", "updated_at"})
        _point_to(current, frozen.number)
        _note("agent.rolled_back", current, principal, version=frozen.number)
    return current


def duplicate_agent(*, agent: Agent, principal: Principal | None = None) -> Agent:
    """A new, unpublished agent with the draft of this one."""
    name = agent.name[: LONGEST_NAME - len(COPY)] + COPY
    return create_agent(
        workspace=agent.workspace, config={**agent.config(), "name": name}, principal=principal
    )


def delete_agent(*, agent: Agent, principal: Principal | None = None) -> None:
    """Take the agent out of sight and off its numbers; its calls and versions stay.

    Raises StateForbids while a batch runs with it, or has paused itself and still probes.
    """
    with transaction.atomic():
        current = _locked(agent)
        if any(is_in_use(current) for is_in_use in AGENT_USE_CHECKS.all()):
            raise StateForbids(IN_USE)
        for prepare_deletion in AGENT_DELETION_HOOKS.all():
            prepare_deletion(current)
        current.deleted_at = timezone.now()
        current.save(update_fields=["deleted_at"])
        _note("agent.deleted", current, principal, name=current.name)


def published_version(agent: Agent) -> AgentVersion:
    """The version that a call or batch created now will run.

    Raises StateForbids when the agent was never published.
    """
    version = find_published_version(agent)
    if version is None:
        raise StateForbids(NOT_PUBLISHED)
    return version


def find_published_version(agent: Agent) -> AgentVersion | None:
    """The published version as the database has it now; None when the agent was never published."""
    return agent.versions.filter(number=F("agent__published_version")).first()


def _locked(agent: Agent) -> Agent:
    """The row as it is now, held until the transaction ends: of two changes at once, neither undoes
    the other.
    """
    current = (
        agent.workspace.agents.select_for_update().filter(pk=agent.pk, deleted_at=None).first()
    )
    if current is None:
        raise NotFound("Agent not found")
    return current


def _next_number(agent: Agent) -> int:
    return (agent.versions.aggregate(highest=Max("number"))["highest"] or 0) + 1


def _point_to(agent: Agent, number: int) -> None:
    agent.published_version = number
    agent.save(update_fields=["published_version"])


def _note(action: str, agent: Agent, principal: Principal | None, **changes: Any) -> None:
    audit.record(
        action,
        principal=principal or Principal(workspace=agent.workspace),
        target=agent,
        changes=changes,
    )
