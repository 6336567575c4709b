"""The actions that an assistant may take, each with the preview that comes before it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from voiceops import models
from voiceops.base import Model
from voiceops.client import AsyncVoiceOps
from voiceops.errors import VoiceOpsError

Arguments = Mapping[str, Any]
ID_SCHEMA = {"type": "string", "description": "its id"}
# Of an agent, what changes without its configuration changing.
NOT_CONFIGURATION = frozenset({"id", "version", "published_version", "created_at", "updated_at"})


@dataclass(frozen=True)
class Preview:
    """What an action would do. `facts` are what must still hold when it is carried out."""

    summary: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class Action:
    """Something that changes the world. `properties` are those of its arguments."""

    name: str
    text: str
    properties: dict[str, Any]
    required: tuple[str, ...]
    preview: Callable[[AsyncVoiceOps, Arguments], Awaitable[Preview]]
    perform: Callable[[AsyncVoiceOps, Arguments], Awaitable[Model]]


async def _preview_start(voiceops: AsyncVoiceOps, arguments: Arguments) -> Preview:
    """Raises VoiceOpsError when it cannot be."""
    batch = await voiceops.batches.get(arguments["id"])
    _require(batch.status in {"ready", "scheduled"}, batch, "started")
    agent = await voiceops.agents.get(batch.agent_id)
    reasons = [each async for each in voiceops.batches.reasons(batch.id)]
    lines = [f"Calls the {batch.counts.pending} pending recipients of {_named(batch)}"]
    lines.append(f"with the agent {agent.name!r}, now.")
    lines += [f"{each.count} are not called: {each.text}" for each in reasons]
    facts = {"status": batch.status, "pending": batch.counts.pending, "agent": batch.agent_id}
    return Preview("\n".join(lines), facts)


async def _preview_resume(voiceops: AsyncVoiceOps, arguments: Arguments) -> Preview:
    """Raises VoiceOpsError when it cannot be."""
    batch = await voiceops.batches.get(arguments["id"])
    _require(batch.status == "paused", batch, "resumed")
    waiting = batch.counts.pending + batch.counts.retrying
    cause = f" It paused because: {batch.error}" if batch.error else ""
    summary = f"Goes on calling {waiting} recipients of {_named(batch)}.{cause}"
    return Preview(summary, {"status": batch.status, "waiting": waiting, "error": batch.error})


async def _preview_pause(voiceops: AsyncVoiceOps, arguments: Arguments) -> Preview:
    """Raises VoiceOpsError when it cannot be."""
    batch = await voiceops.batches.get(arguments["id"])
    _require(batch.status in {"running", "paused"}, batch, "paused")
    summary = (
        f"Places no more calls of {_named(batch)} until it is resumed; calls that are up go on."
    )
    return Preview(summary, {"status": batch.status})


async def _preview_stop(voiceops: AsyncVoiceOps, arguments: Arguments) -> Preview:
    """Raises VoiceOpsError when it cannot be."""
    batch = await voiceops.batches.get(arguments["id"])
    # One that was stopped may be asked again to hang up.
    hangs_up_again = batch.status == "stopped" and bool(arguments.get("hang_up_active"))
    stoppable = {"ready", "scheduled", "running", "paused"}
    _require(batch.status in stoppable or hangs_up_again, batch, "stopped")
    active = batch.counts.dialing + batch.counts.in_call
    fate = "are hung up" if arguments.get("hang_up_active") else "go on to their end"
    lines = [f"Ends {_named(batch)} for good: it cannot be resumed."]
    lines.append(
        f"{batch.counts.pending + batch.counts.retrying} recipients are not called any more."
    )
    lines.append(f"Calls that are up ({active} at the moment) {fate}.")
    # Counts change every second while it runs, so that they cannot be held to.
    return Preview("\n".join(lines), {"status": batch.status})


async def _preview_publish(voiceops: AsyncVoiceOps, arguments: Arguments) -> Preview:
    agent = await voiceops.agents.get(arguments["id"])
    versions = [each async for each in voiceops.agents.versions(agent.id)]
    current = next((each for each in versions if each.version == agent.published_version), None)
    changed = _changed_fields(agent, current)
    since = f"version {agent.published_version}" if current else "nothing: it was never published"
    lines = [f"Publishes the draft of {agent.name!r}: new calls and batches use it."]
    lines.append(f"Changed since {since}: {', '.join(changed) or 'nothing'}.")
    return Preview("\n".join(lines), {"updated_at": agent.updated_at, "version": agent.version})


async def _preview_purchase(voiceops: AsyncVoiceOps, arguments: Arguments) -> Preview:
    """Raises VoiceOpsError when the number is not for sale."""
    number = arguments["phone_number"]
    offers = voiceops.phone_numbers.available(
        country=arguments["country"], type=arguments.get("type"), contains=number
    )
    async for offer in offers:
        if offer.phone_number == number:
            place = ", ".join(
                part for part in (offer.locality, offer.region, offer.country) if part
            )
            summary = (
                f"Buys {number} ({place}) at Twilio, which charges for it every month, "
                "and connects it for calls."
            )
            return Preview(summary, offer.model_dump(mode="json"))
    raise VoiceOpsError(f"{number} is not for sale in {arguments['country']}")


async def _preview_call(voiceops: AsyncVoiceOps, arguments: Arguments) -> Preview:
    """Raises VoiceOpsError when the agent was never published."""
    agent = await voiceops.agents.get(arguments["agent_id"])
    if agent.published_version is None:
        raise VoiceOpsError(f"The agent {agent.name!r} cannot call before it is published")
    summary = f"Calls {arguments['to']} with the agent {agent.name!r}, now."
    return Preview(summary, {"published_version": agent.published_version})


async def _preview_hangup(voiceops: AsyncVoiceOps, arguments: Arguments) -> Preview:
    """Raises VoiceOpsError when the call has ended."""
    call = await voiceops.calls.get(arguments["id"])
    if call.status == "ended":
        raise VoiceOpsError(f"The call to {call.to} has ended already")
    return Preview(f"Hangs up the call to {call.to}, which is {call.status}.", {"to": call.to})


async def _stop(voiceops: AsyncVoiceOps, arguments: Arguments) -> Model:
    hang_up = bool(arguments.get("hang_up_active"))
    return await voiceops.batches.stop(arguments["id"], hang_up_active=hang_up)


async def _purchase(voiceops: AsyncVoiceOps, arguments: Arguments) -> Model:
    label = arguments.get("label", "")
    return await voiceops.phone_numbers.purchase(
        phone_number=arguments["phone_number"], label=label
    )


async def _call(voiceops: AsyncVoiceOps, arguments: Arguments) -> Model:
    return await voiceops.calls.create(**arguments)


def _require(is_possible: bool, batch: models.Batch, done: str) -> None:
    """Raises VoiceOpsError for what the server would refuse: a preview would promise it."""
    if not is_possible:
        raise VoiceOpsError(f"The batch {batch.name!r} is {batch.status}, and cannot be {done}")


def _named(batch: models.Batch) -> str:
    return f"the batch {batch.name!r} ({batch.status})"


def _changed_fields(agent: models.Agent, published: models.AgentVersion | None) -> list[str]:
    draft = agent.model_dump(mode="json")
    before = published.model_dump(mode="json") if published else {}
    return sorted(
        name
        for name, value in draft.items()
        if name not in NOT_CONFIGURATION and before.get(name) != value
    )


ACTIONS = (
    Action(
        name="batches_start",
        text="Start a batch: its recipients are called.",
        properties={"id": ID_SCHEMA},
        required=("id",),
        preview=_preview_start,
        perform=lambda voiceops, arguments: voiceops.batches.start(arguments["id"]),
    ),
    Action(
        name="batches_resume",
        text="Resume a batch that is paused.",
        properties={"id": ID_SCHEMA},
        required=("id",),
        preview=_preview_resume,
        perform=lambda voiceops, arguments: voiceops.batches.resume(arguments["id"]),
    ),
    Action(
        name="batches_pause",
        text="Pause a batch that is running.",
        properties={"id": ID_SCHEMA},
        required=("id",),
        preview=_preview_pause,
        perform=lambda voiceops, arguments: voiceops.batches.pause(arguments["id"]),
    ),
    Action(
        name="batches_stop",
        text="Stop a batch for good.",
        properties={
            "id": ID_SCHEMA,
            "hang_up_active": {"type": "boolean", "description": "end the calls that are up"},
        },
        required=("id",),
        preview=_preview_stop,
        perform=_stop,
    ),
    Action(
        name="agents_publish",
        text="Publish an agent's draft.",
        properties={"id": ID_SCHEMA},
        required=("id",),
        preview=_preview_publish,
        perform=lambda voiceops, arguments: voiceops.agents.publish(arguments["id"]),
    ),
    Action(
        name="phone_numbers_purchase",
        text="Buy a phone number that phone_numbers_available_list offers. Costs money.",
        properties={
            "phone_number": {"type": "string", "description": "as it is offered, +1…"},
            "country": {"type": "string", "description": "of the offer, e.g. US"},
            "type": {"type": "string", "description": "of the offer, e.g. local"},
            "label": {"type": "string", "description": "a name for it"},
        },
        required=("phone_number", "country"),
        preview=_preview_purchase,
        perform=_purchase,
    ),
    Action(
        name="calls_create",
        text="Call one number.",
        properties={
            "agent_id": {"type": "string", "description": "the agent that talks"},
            "to": {"type": "string", "description": "the number to call, +1…"},
            "from_number_id": {"type": "string", "description": "one of your phone numbers"},
            "variables": {"type": "object", "description": "what the agent knows of the callee"},
        },
        required=("agent_id", "to"),
        preview=_preview_call,
        perform=_call,
    ),
    Action(
        name="calls_hangup",
        text="Hang up a call that is up.",
        properties={"id": ID_SCHEMA},
        required=("id",),
        preview=_preview_hangup,
        perform=lambda voiceops, arguments: voiceops.calls.hangup(arguments["id"]),
    ),
)
