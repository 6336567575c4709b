"""Which batches an agent calls for, for its page."""

from agents.admin.orders import AgentUse
from agents.models import Agent

LISTED_BATCHES = 8


def newest_batches(agent: Agent) -> AgentUse:
    """Return the newest batches of the agent."""
    rows = agent.batches.order_by("-pk").values_list("name", "pk")
    return AgentUse("Its newest batches", "admin:batches_batch_change", list(rows[:LISTED_BATCHES]))
