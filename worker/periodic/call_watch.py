"""Watches the calls that are up: lost agents, and rooms whose call is over.

More often than the sweep, because a callee must not be left in silence. What is due stands in rows;
any number of workers watch at once.
"""

from telephony.dialing.lost_agents import AgentWatch
from telephony.services import maintenance

WATCH_INTERVAL_SECONDS = 1.0

_agents = AgentWatch()


def watch_calls() -> None:
    """Do one round. Raises OperationalError or InterfaceError when the database is unreachable."""
    maintenance.watch_calls(_agents)
