"""Reserved calls on their way to their intent: loaded, kept under a lease, or closed unsent.

Every function is one short transaction; none touches the network.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

from telephony.dialing.protocol import CALL_LEASE, TEST_CALL_MAX_SECONDS, TEST_RINGING_SECONDS
from telephony.domain import call_states
from telephony.domain.dial_verdicts import UNREADABLE, Verdict
from telephony.models import Call, SipTrunk, Stage
from voiceops.core import crypto
from voiceops.core.clock import database_now

TEST_CONFIG = {
    "ringing_timeout_seconds": TEST_RINGING_SECONDS,
    "max_call_duration_seconds": TEST_CALL_MAX_SECONDS,
}

logger = logging.getLogger(__name__)


@dataclass
class Job:
    """A reserved call with everything that dialling it needs."""

    call: Call
    trunk_id: str  # LiveKit's, empty when the number has no outbound trunk
    config: dict[str, Any] = field(repr=False)  # the frozen agent, with its secrets


def load_jobs(ids: Iterable[UUID]) -> list[Job]:
    """Return the jobs of these calls.

    Calls whose agent's secrets cannot be read are ended: the agent would fail at every tool.
    """
    calls = list(
        Call.unscoped.filter(pk__in=ids).select_related("agent_version", "number").order_by("pk")
    )
    trunk_ids = _outbound_trunks(calls)
    jobs = []
    for call in calls:
        trunk_id = trunk_ids.get(call.number_id, "") if call.number_id else ""
        job = Job(call=call, trunk_id=trunk_id, config={})
        try:
            job.config = _config_of(call)
        except crypto.DecryptError as error:
            logger.warning("The secrets of the agent of call %s cannot be read: %s", call.pk, error)
            close_unsent([job], UNREADABLE)
        else:
            jobs.append(job)
    return jobs


def _config_of(call: Call) -> dict[str, Any]:
    """Return the frozen agent, or the limits of a test call. Raises crypto.DecryptError."""
    if call.is_test:
        return dict(TEST_CONFIG)
    return call.agent_version.config_with_secrets() if call.agent_version else {}


def _outbound_trunks(calls: Sequence[Call]) -> dict[UUID | None, str]:
    numbers = {call.number_id for call in calls if call.number_id}
    trunks = SipTrunk.unscoped.filter(
        phone_number__in=numbers, direction=SipTrunk.TrunkDirection.OUTBOUND
    )
    return dict(trunks.values_list("phone_number_id", "livekit_trunk_id"))


def renew_leases(owner: UUID, ids: Sequence[UUID]) -> None:
    """Extend the leases of calls that are being prepared, or whose dial's answer is awaited."""
    # Answered calls need no lease: polling follows them.
    held = Call.unscoped.filter(pk__in=ids, lease_owner=owner, stage__in=Stage.unanswered())
    held.update(lease_expires_at=database_now() + CALL_LEASE)


def calls_with_agent(ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the calls whose agent has reported that it is in the room."""
    joined = Call.unscoped.filter(pk__in=ids, agent_joined_at__isnull=False)
    return set(joined.values_list("pk", flat=True))


def ended_calls(ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the calls that have ended."""
    return set(Call.unscoped.filter(pk__in=ids, stage=Stage.ENDED).values_list("pk", flat=True))


def end_test_calls(calls: Sequence[Call]) -> list[Call]:
    """End test calls that were answered. Returns those that it ended, for their rooms."""
    with transaction.atomic():
        now = database_now()
        return [
            call
            for call in calls
            if call_states.mark_hung_up(
                call, at=now, reason="test_call", source="dial", text="The test call was answered"
            )
        ]


def close_unsent(jobs: Iterable[Job], verdict: Verdict) -> list[Job]:
    """End reserved calls of which nothing was sent.

    Returns those that it ended. Only their rooms may be deleted: the others have moved on.
    """
    with transaction.atomic():
        now = database_now()
        return [
            job
            for job in jobs
            if call_states.mark_failed(job.call, verdict=verdict, at=now, since=(Stage.RESERVED,))
        ]
