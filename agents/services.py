"""What can be done with an agent: draft, publish, roll back, duplicate, delete."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from django.db import transaction
from django.db.models import F, Max, QuerySet, UUIDField
from django.utils import timezone

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from agents import secrets
from agents.models import CONFIG_FIELDS, Agent, AgentVersion
from agents.rehearsing.rehearsals import require_rehearsed
from voiceops.core.errors import Invalid, NotFound, StateForbids
from voiceops.core.extension_points import ExtensionPoint
from voiceops.db.compiled_query import CompiledQuery

NOT_PUBLISHED = "Agent is not published"
IN_USE = "Agent is in use by a running batch"
COPY_SUFFIX = " (copy)"
MAX_AGENT_NAME_LENGTH = 200

AgentUseCheck: TypeAlias = Callable[[Agent], bool]
AGENT_USE_CHECKS: ExtensionPoint[AgentUseCheck] = ExtensionPoint("checks of an agent in use")
AgentDeletionHook: TypeAlias = Callable[[Agent], None]
AGENT_DELETION_HOOKS: ExtensionPoint[AgentDeletionHook] = ExtensionPoint("hooks of agent deletion")
PublishCheck: TypeAlias = Callable[[AgentVersion], None]
PUBLISH_CHECKS: ExtensionPoint[PublishCheck] = ExtensionPoint("checks of a version to publish")


def create_agent(
    *, workspace: Workspace, config: Mapping[str, Any], principal: Principal | None = None
) -> Agent:
    """Create an agent: a draft with number 1 that calls cannot use until it is published.

    Raises Invalid for a mask in place of a secret header.
    """
    config = _with_secret_headers(config, ())
    with transaction.atomic():
        agent = Agent(workspace=workspace)
        agent.set_draft(config)
        agent.save(force_insert=True)
        audit.record(
            "agent.created", principal=principal, target=agent, changes={"name": agent.name}
        )
    return agent


def save_draft(
    *, agent: Agent, changes: Mapping[str, Any], principal: Principal | None = None
) -> Agent:
    """Change the draft. The first real change after a publish gives it the next free number.

    Raises NotFound when the agent is deleted, and Invalid for a secret header that is a mask with
    nothing stored behind it.
    """
    with transaction.atomic():
        current = _lock_agent(agent)
        before = current.config()
        changes = _with_secret_headers(changes, before["tools"])
        changed = [name for name, value in changes.items() if before[name] != value]
        if changed:
            current.set_draft({**before, **changes})
            if current.version == current.published_version:
                current.version = _next_version_number(current)
            # A change can move values between the plain columns and the encrypted one.
            current.save(
                update_fields={*changed, *secrets.SECRET_FIELDS, "sealed", "version", "updated_at"}
            )
            audit.record(
                "agent.updated",
                principal=principal,
                target=current,
                changes={"fields": sorted(changed)},
            )
    return current


def publish_agent(*, agent: Agent, principal: Principal | None = None) -> Agent:
    """Make the draft the version that new calls run. Publishing an unchanged draft changes nothing.

    Raises NotFound when the agent is deleted, and StateForbids when its settings are too long, or
    when its workspace requires rehearsals that the draft has not passed.
    """
    with transaction.atomic():
        current = _lock_agent(agent)
        if current.version != current.published_version:
            require_rehearsed(current)
        # After a rollback the draft is a version that exists already.
        if not current.versions.filter(number=current.version).exists():
            current.create_version()
        version = current.versions.get(number=current.version)
        for require_publishable in PUBLISH_CHECKS.all():
            require_publishable(version)
        _set_published_version(current, current.version)
        audit.record(
            "agent.published",
            principal=principal,
            target=current,
            changes={"version": current.version},
        )
    return current


def rollback_agent(*, agent: Agent, version: int, principal: Principal | None = None) -> Agent:
    """Publish an earlier version again and make it the draft; unpublished changes are lost.

    Raises NotFound when the agent is deleted or has no such version.
    """
    with transaction.atomic():
        current = _lock_agent(agent)
        target = current.versions.filter(number=version).first()
        if target is None:
            raise NotFound("Agent version not found")

        restored = target.config_with_secrets()
        names = [name for name in CONFIG_FIELDS if name in restored]
        current.set_draft({**current.config(), **restored})
        current.version = target.number
        current.save(
            update_fields={*names, *secrets.SECRET_FIELDS, "sealed", "version", "updated_at"}
        )
        _set_published_version(current, target.number)
        audit.record(
            "agent.rolled_back",
            principal=principal,
            target=current,
            changes={"version": target.number},
        )
    return current


def duplicate_agent(*, agent: Agent, principal: Principal | None = None) -> Agent:
    """Create an unpublished agent with a copy of this agent's draft."""
    name = agent.name[: MAX_AGENT_NAME_LENGTH - len(COPY_SUFFIX)] + COPY_SUFFIX
    return create_agent(
        workspace=agent.workspace, config={**agent.config(), "name": name}, principal=principal
    )


def delete_agent(*, agent: Agent, principal: Principal | None = None) -> None:
    """Mark an agent as deleted and take it off its numbers; its calls and versions stay.

    Raises StateForbids while it is in use (AGENT_USE_CHECKS), NotFound when it is deleted already.
    """
    with transaction.atomic():
        current = _lock_agent(agent)
        if any(is_in_use(current) for is_in_use in AGENT_USE_CHECKS.all()):
            raise StateForbids(IN_USE)
        # The apps above take the agent out of use, its numbers for example.
        for prepare_deletion in AGENT_DELETION_HOOKS.all():
            prepare_deletion(current)
        current.deleted_at = timezone.now()
        current.save(update_fields=["deleted_at"])
        audit.record(
            "agent.deleted", principal=principal, target=current, changes={"name": current.name}
        )


def published_version(agent: Agent) -> AgentVersion:
    """Return the version that a new call or batch runs.

    Raises StateForbids when the agent was never published.
    """
    version = find_published_version(agent)
    if version is None:
        raise StateForbids(NOT_PUBLISHED)
    return version


def find_published_version(agent: Agent) -> AgentVersion | None:
    """Return the published version as the database has it now, or None without one."""
    version = PUBLISHED_QUERY.first(agent_id=agent.pk)
    if version is not None:
        version.agent = agent
    return version


def _published_versions(agent_id: Any) -> QuerySet[AgentVersion]:
    return AgentVersion.unscoped.filter(agent=agent_id, number=F("agent__published_version"))


# Every call that is ordered asks for it.
PUBLISHED_QUERY = CompiledQuery(_published_versions, agent_id=UUIDField())


def _with_secret_headers(config: Mapping[str, Any], stored: Sequence[Any]) -> Mapping[str, Any]:
    """Raises Invalid when a secret header is a mask with nothing stored behind it."""
    if "tools" not in config:
        return config
    try:
        tools = secrets.restore_secret_headers(config["tools"], stored)
    except LookupError as error:
        raise Invalid(str(error)) from error
    return {**config, "tools": tools}


def _lock_agent(agent: Agent) -> Agent:
    """Read the row again and lock it, so that of two concurrent changes neither undoes the other.

    Raises NotFound when the agent is deleted.
    """
    current = (
        agent.workspace.agents.select_for_update().filter(pk=agent.pk, deleted_at=None).first()
    )
    if current is None:
        raise NotFound("Agent not found")
    return current


def _next_version_number(agent: Agent) -> int:
    return (agent.versions.aggregate(highest=Max("number"))["highest"] or 0) + 1


def _set_published_version(agent: Agent, number: int) -> None:
    agent.published_version = number
    agent.save(update_fields=["published_version"])
