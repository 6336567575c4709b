"""Calls that somebody asks for one by one. The row is written here; a shift adopts and dials it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias

import phonenumbers
from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from agents.models import Agent, AgentVersion
from agents.prompts import find_missing_variables
from agents.services import published_version
from telephony.dialing.capacity import calls_of_the_day
from telephony.domain import timeline
from telephony.domain.agent_metadata import MAX_METADATA_BYTES, is_too_long, metadata_of
from telephony.models import Call, PhoneNumber, SipTrunk
from voiceops.core import task_queue
from voiceops.core.errors import Invalid, StateForbids
from voiceops.core.extension_points import ExtensionPoint
from voiceops.core.ids import uuid7
from voiceops.core.phone_numbers import why_not_dialable
from voiceops.core.pii import mask_number

ID_TIME_MARGIN = timedelta(minutes=1)  # no call is written so long after it was given its id

SuppressionCheck: TypeAlias = Callable[[Workspace, str], bool]
SUPPRESSION_CHECKS: ExtensionPoint[SuppressionCheck] = ExtensionPoint("suppression checks")


@dataclass(frozen=True)
class CallOrder:
    agent: Agent
    to: str  # E.164
    number: PhoneNumber | None = None  # None: the workspace's newest that can dial
    variables: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def place_call(*, order: CallOrder, principal: Principal | None = None) -> Call:
    """A queued call; whoever dials next takes it.

    Raises StateForbids when the agent is not published, no number can dial or the workspace's calls
    of the day are made, Invalid when a required variable has no value, all together are too long or
    the callee must not be called. A pause of the trunk, or a suppression added later, is judged
    again at the last moment before the dial.
    """
    version = published_version(order.agent)
    require_variables(version, order.variables)
    number = order.number or find_default_number(order.agent.workspace)
    if number is None:
        raise StateForbids("The workspace has no active phone number")
    if number.status != PhoneNumber.Status.ACTIVE:
        raise StateForbids("Phone number is not active")
    require_callable(order.agent.workspace, order.to)
    require_daily_quota(order.agent.workspace)
    pk = uuid7()
    call = Call(
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
    require_metadata_fits(call, version)
    with transaction.atomic():
        call.save(force_insert=True)
        text = f"A call to {order.to} was ordered"
        timeline.add_event(call, type="queued", text=text, at=call.created_at)
        audit.record(
            "call.placed", principal=principal, target=call, changes={"to": mask_number(order.to)}
        )
        task_queue.enqueue_on_commit(task_queue.RUN_DISPATCHER)
    return call


def require_variables(version: AgentVersion, variables: dict[str, Any]) -> None:
    """Raises Invalid, naming them, when required variables have no value."""
    if missing := find_missing_variables(version.config, variables):
        raise Invalid(f"Missing required variables: {', '.join(missing)}")


def require_metadata_fits(call: Call, version: AgentVersion) -> None:
    """Raises Invalid when LiveKit would not take what the agent is told. Secrets are opened only
    when it is close.
    """
    told = metadata_of(call, version.config)
    if len(told.encode()) + len(version.sealed) > MAX_METADATA_BYTES and is_too_long(
        metadata_of(call, version.config_with_secrets())
    ):
        raise Invalid(
            "The variables are too long: LiveKit takes 512 KiB, and the agent's settings count"
        )


def find_default_number(workspace: Workspace) -> PhoneNumber | None:
    active = workspace.phone_numbers.filter(status=PhoneNumber.Status.ACTIVE)
    return active.filter(trunks__direction=SipTrunk.TrunkDirection.OUTBOUND).order_by("-pk").first()


def require_callable(workspace: Workspace, phone_number: str) -> None:
    """Raises Invalid for a number (E.164) that is never called, not to talk, not to test, not to
    hand somebody on.

    Either nobody calls it (premium rate, satellite …: transfers to those are how toll fraud is
    done) or the workspace said so.
    """
    if reason := why_not_dialable(phonenumbers.parse(phone_number)):
        raise Invalid(reason)
    if any(is_suppressed(workspace, phone_number) for is_suppressed in SUPPRESSION_CHECKS.all()):
        raise Invalid("The number is on the suppression list")


def require_daily_quota(workspace: Workspace) -> None:
    """Raises StateForbids when the call would wait until tomorrow, when nobody expects it any more."""
    most = workspace.max_calls_per_day
    if most is not None and calls_of_the_day(workspace, Call.unscoped.open()) >= most:
        raise StateForbids("The workspace has made all its calls of the day")
