"""The rows of the dialling benchmark."""

from django.db.models import Max, Min
from django.utils import timezone

from accounts.models import Workspace
from agents.models import Agent, AgentVersion
from batches.models import Batch, Recipient
from telephony.models import Call, NumberPace, PhoneNumber, SipTrunk
from voiceops.core.errors import DomainError
from voiceops.core.ids import uuid7

NAME = "Bench"
UNLIMITED = 5_000.0  # calls per second: the pace shall not be what is measured


def prepare(calls: int) -> Batch:
    """A running batch of so many people on a number that lets them all through.

    Raises DomainError in a database that somebody works with: a worker would call their people.
    """
    refuse_a_database_in_use()
    clear()
    workspace = Workspace.unscoped.create(name=NAME)
    number = make_number(workspace, "+12025550100", rate=UNLIMITED, most=10 * calls)
    batch = make_batch(number)
    people = (
        make_person(batch, row=2 + index, phone_number=f"+1202{5550000 + index}")
        for index in range(calls)
    )
    Recipient.unscoped.bulk_create(people, batch_size=2000)
    return batch


def make_number(workspace: Workspace, phone_number: str, *, rate: float, most: int) -> PhoneNumber:
    number = PhoneNumber.unscoped.create(
        workspace=workspace,
        phone_number=phone_number,
        status=PhoneNumber.Status.ACTIVE,
        calls_per_second=rate,
        max_concurrent_calls=most,
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
    """A running batch with an agent of its own and nobody in it yet."""
    workspace = number.workspace
    agent = Agent.unscoped.create(
        workspace=workspace,
        name="Bench",
        system_prompt="Bench",
        published_version=1,
        recording_enabled=False,
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


def make_person(batch: Batch, *, row: int, phone_number: str) -> Recipient:
    """Somebody to be called now; not saved."""
    return Recipient(
        workspace_id=batch.workspace_id,
        batch=batch,
        row_number=row,
        phone_number=phone_number,
        values=[phone_number, "Ada"],
        due_at=timezone.now(),
    )


def refuse_a_database_in_use() -> None:
    others = Workspace.unscoped.exclude(name=NAME).count()
    if others:
        raise DomainError(
            f"This database has {others} workspaces that are not the benchmark's: give it one of its own"
        )


def clear() -> None:
    """Take away what an earlier run left; rows that name one another go first."""
    mine = Workspace.unscoped.filter(name=NAME)
    for model in (Call, Recipient, Batch, SipTrunk, NumberPace, PhoneNumber, AgentVersion, Agent):
        model.unscoped.filter(workspace__in=mine).delete()
    mine.delete()


def seconds_spent() -> float | None:
    """From the first claim to the last answer."""
    span = Call.unscoped.aggregate(first=Min("created_at"), last=Max("answered_at"))
    return (span["last"] - span["first"]).total_seconds() if span["last"] else None
