"""Which agents and phone numbers batches need. Their apps ask before they delete one."""

from django.db.models import Q

from agents.models import Agent
from batches.models import Batch
from telephony.models import PhoneNumber

Status = Batch.Status
# A batch that paused itself and probes its number resumes without anyone's order.
_RESUMES_BY_ITSELF = Q(status=Status.PAUSED) & (
    Q(probe_at__isnull=False) | Q(probe_call_id__isnull=False)
)


def agent_is_in_use(agent: Agent) -> bool:
    """Whether a batch with this agent runs, or has paused itself and may resume by itself."""
    return agent.batches.filter(Q(status=Status.RUNNING) | _RESUMES_BY_ITSELF).exists()


def number_is_in_use(number: PhoneNumber) -> bool:
    """Whether a batch that calls from this number is running."""
    return number.batches.filter(status=Status.RUNNING).exists()
