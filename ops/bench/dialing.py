"""The rows of the dialing benchmark."""

from django.db.models import Max, Min
from django.utils import timezone

from accounts.models import Workspace
from agents.models import Agent, AgentVersion
from batches.models import Batch, Recipient
from telephony.models import Call, NumberPace, PhoneNumber, SipTrunk
from voiceops.core.errors import DomainError
from voiceops.core.ids import uuid7

BENCH_WORKSPACE = "Bench"
UNLIMITED_RATE = 5_000.0  # calls per second: the pace must not be what is measured


def prepare_dialing(calls: int) -> Batch:
    """A running batch with that many recipients, on a number that limits nothing.

    Raises DomainError in a database that is in use.
    """
    require_unused_database()
    clear_dialing()
    workspace = Workspace.unscoped.create(name=BENCH_WORKSPACE)
    number = make_number(workspace, "+12025550100", rate=UNLIMITED_RATE, channels=10 * calls)
    batch = make_batch(number)
    recipients = (
        build_recipient(batch, row=2 + index, phone_number=f"+1202{5550000 + index}")
        for index in range(calls)
    )
    Recipient.unscoped.bulk_create(recipients, batch_size=2000)
    return batch


def make_number(
    workspace: Workspace, phone_number: str, *, rate: float, channels: int
) -> PhoneNumber:
    """An active number with `rate` calls per second and `channels` concurrent calls."""
    number = PhoneNumber.unscoped.create(
        workspace=workspace,
        phone_number=phone_number,
        status=PhoneNumber.Status.ACTIVE,
        calls_per_second=rate,
        max_concurrent_calls=channels,
    )
    NumberPace.unscoped.create(number=number, workspace=workspace)
    SipTrunk.unscoped.create(
        workspace=workspace,
        direction="outbound",
        livekit_trunk_id=f"ST_{uuid7()}",
        phone_number=number,
    )
    return number


def make_batch(number: PhoneNumber) -> Batch:
    """A running batch with an agent of its own, without recipients."""
    workspace = number.workspace
    agent = Agent.unscoped.create(
        workspace=workspace,
        name="Bench",
        system_prompt="Bench",
        published_version=1,
        # A recording would cost LiveKit's stand-in requests that the bare loop does not make.
        recording_enabled=False,  # a recording would need egress, which the stub does not have
    )
    return Batch.unscoped.create(
        workspace=workspace,
        name="Bench",
        agent=agent,
        agent_version=agent.create_version(),
        phone_number=number,
        status=Batch.Status.RUNNING,
        columns=["phone", "first_name"],
        variable_names=[None, "first_name"],
    )


def build_recipient(batch: Batch, *, row: int, phone_number: str) -> Recipient:
    """A recipient who is due now; not saved."""
    return Recipient(
        workspace_id=batch.workspace_id,
        batch=batch,
        row_number=row,
        phone_number=phone_number,
        values=[phone_number, "Ada"],
        due_at=timezone.now(),
    )


def require_unused_database() -> None:
    """Raises DomainError when other workspaces exist, because a worker would call their
    recipients.
    """
    others = Workspace.unscoped.exclude(name=BENCH_WORKSPACE).count()
    if others:
        raise DomainError(
            f"This database has {others} workspaces that are not the benchmark's: "
            "give it one of its own"
        )


def clear_dialing() -> None:
    """Delete what an earlier run left, referencing rows before those they reference."""
    workspaces = Workspace.unscoped.filter(name=BENCH_WORKSPACE)
    # Foreign keys protect history from being deleted with what it refers to.
    for model in (Call, Recipient, Batch, SipTrunk, NumberPace, PhoneNumber, AgentVersion, Agent):
        model.unscoped.filter(workspace__in=workspaces).delete()
    workspaces.delete()


def seconds_spent() -> float | None:
    """Seconds from the first claim to the last answer; None when nobody answered."""
    span = Call.unscoped.aggregate(first=Min("created_at"), last=Max("answered_at"))
    return (span["last"] - span["first"]).total_seconds() if span["last"] else None
