"""Which numbers an agent answers, for its page."""

from agents.admin.orders import AgentUse
from agents.models import Agent

LISTED_NUMBERS = 8


def answered_numbers(agent: Agent) -> AgentUse:
    """Return the first numbers whose calls the agent answers."""
    rows = agent.inbound_numbers.order_by("pk").values_list("phone_number", "pk")
    return AgentUse(
        "Answers calls to", "admin:telephony_phonenumber_change", list(rows[:LISTED_NUMBERS])
    )
