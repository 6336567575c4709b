"""Calls ordered one by one. The row is written here; a dispatcher reserves and dials it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import phonenumbers
from django.db import transaction
from django.db.models import QuerySet, UUIDField

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from agents.models import Agent, AgentVersion
from agents.prompts import find_missing_variables
from agents.services import published_version
from telephony.dialing.budgets import budget_of_day
from telephony.dialing.capacity import calls_of_the_day
from telephony.domain import timeline
from telephony.domain.agent_metadata import (
    describe_metadata_limit,
    is_too_long,
    metadata_limit,
    metadata_of,
)
from telephony.models import Call, PhoneNumber, SipTrunk
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.errors import Invalid, StateForbids
from voiceops.core.extension_points import ExtensionPoint
from voiceops.core.ids import uuid7
from voiceops.core.phone_numbers import why_not_dialable
from voiceops.core.pii import mask_number
from voiceops.db.compiled_query import CompiledQuery
from voiceops.db.compiled_writes import insert_rows

SuppressionCheck: TypeAlias = Callable[[Workspace, str], bool]
SUPPRESSION_CHECKS: ExtensionPoint[SuppressionCheck] = ExtensionPoint("suppression checks")


@dataclass(frozen=True)
class CallOrder:
    """A call to place. Without a `number` it is made from the workspace's newest that can dial."""

    agent: Agent
    to: str  # E.164
    number: PhoneNumber | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def place_call(*, order: CallOrder, principal: Principal | None = None) -> Call:
    """Queue a call, to be dialled by the next dispatcher, and return it.

    Raises StateForbids when the agent is not published, no number can dial, or the workspace has
    used up its calls or its budget of the day. Raises Invalid when a required variable has no
    value, the variables are too long, or the callee must not be called. A pause of the trunk and a
    suppression added later are checked again immediately before the dial.
    """
    workspace = order.agent.workspace
    version = published_version(order.agent)
    require_variables(version, order.variables)
    number = order.number or find_default_number(workspace)
    if number is None:
        raise StateForbids("The workspace has no active phone number")
    if number.status != PhoneNumber.Status.ACTIVE:
        raise StateForbids("Phone number is not active")
    require_callable(workspace, order.to)

    call = _build_call(order, version, number)
    require_metadata_fits(call, version)
    with transaction.atomic():
        require_daily_quota(workspace)
        require_daily_budget(workspace)
        insert_rows([call])
        text = f"A call to {order.to} was ordered"
        timeline.add_event(call, type="queued", text=text, at=call.created_at)
        details = {"to": mask_number(order.to)}
        audit.record("call.placed", principal=principal, target=call, changes=details)
        task_queue.enqueue_on_commit(task_queue.RUN_DISPATCHER)
    return call


def require_variables(version: AgentVersion, variables: dict[str, Any]) -> None:
    """Check that every required variable has a value. Raises Invalid with the missing names."""
    if missing := find_missing_variables(version.config, variables):
        raise Invalid(f"Missing required variables: {', '.join(missing)}")


def require_metadata_fits(call: Call, version: AgentVersion) -> None:
    """Check that LiveKit accepts the metadata that the agent receives. Raises Invalid."""
    metadata = metadata_of(call, version.config)
    # Secrets are decrypted only when their length decides.
    if len(metadata.encode()) + len(version.sealed) <= metadata_limit():
        return
    if is_too_long(metadata_of(call, version.config_with_secrets())):
        raise Invalid(
            f"The variables are too long: LiveKit accepts {describe_metadata_limit()}, including "
            "the agent's settings"
        )


def find_default_number(workspace: Workspace) -> PhoneNumber | None:
    """Return the workspace's newest active number with an outbound trunk."""
    number = DEFAULT_NUMBER_QUERY.first(workspace_id=workspace.pk)
    if number is not None:
        number.workspace = workspace
    return number


def _default_numbers(workspace_id: Any) -> QuerySet[PhoneNumber]:
    own = PhoneNumber.unscoped.filter(workspace=workspace_id, status=PhoneNumber.Status.ACTIVE)
    outbound = own.filter(trunks__direction=SipTrunk.TrunkDirection.OUTBOUND)
    return outbound.order_by("-pk")[:1]


# Every call that is ordered asks for it.
DEFAULT_NUMBER_QUERY = CompiledQuery(_default_numbers, workspace_id=UUIDField())


def require_callable(workspace: Workspace, phone_number: str) -> None:
    """Check that the number (E.164) may be called, tested or be the target of a transfer.

    Raises Invalid for numbers that the application never calls (premium rate, satellite …:
    transfers to those are how toll fraud is committed) and for numbers that the workspace has
    suppressed.
    """
    if reason := why_not_dialable(phonenumbers.parse(phone_number)):
        raise Invalid(reason)
    if any(is_suppressed(workspace, phone_number) for is_suppressed in SUPPRESSION_CHECKS.all()):
        raise Invalid("The number is on the suppression list")


def require_daily_quota(workspace: Workspace) -> None:
    """Check that the workspace may make another call today, in the transaction that queues it.

    Raises StateForbids instead of queueing the call until tomorrow, when it is no longer expected.
    """
    limit = workspace.max_calls_per_day
    if limit is None:
        return
    # Of many simultaneous orders no more pass than the limit allows.
    workspace.lock()
    if calls_of_the_day(workspace, Call.unscoped.open()) >= limit:
        raise StateForbids("The workspace has reached its daily limit of calls")


def require_daily_budget(workspace: Workspace) -> None:
    """Check that the workspace may still spend something today, in the transaction that queues a
    call.

    Raises StateForbids instead of queueing the call until tomorrow, when it is no longer expected.
    """
    if workspace.max_cost_per_day is None:
        return
    budget = budget_of_day(workspace, Call.unscoped.open(), database_now())
    if budget is not None and budget.calls_left(1, each=0) == 0:
        raise StateForbids("The workspace has spent its budget of the day")


def _build_call(order: CallOrder, version: AgentVersion, number: PhoneNumber) -> Call:
    pk = uuid7()
    return Call(
        pk=pk,
        workspace_id=order.agent.workspace_id,
        agent=order.agent,
        agent_version=version,
        number=number,
        from_number=number.phone_number,
        to_number=order.to,
        variables=order.variables,
        metadata=order.metadata,
        room=f"vo-{pk}",
    )
