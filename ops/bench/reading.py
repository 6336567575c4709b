"""The rows and the requests of the reading benchmark."""

import itertools
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.models import Workspace
from agents.models import Agent, AgentVersion
from telephony.models import SHOWN, Call, Outcome, Stage
from voiceops.core.ids import uuid7

CHUNK = 2000
HOT = ("calls_page_1", "calls_by_outcome")
FIELDS = (
    "id",
    "direction",
    "from_number",
    "to_number",
    "agent_id",
    "batch_id",
    "stage",
    "outcome",
    "variables",
)


def prepare(calls: int) -> Workspace:
    """A workspace with so many ended calls."""
    Workspace.unscoped.filter(name="Bench").delete()
    workspace = Workspace.unscoped.create(name="Bench")
    agent = Agent.unscoped.create(
        workspace=workspace, name="Bench", system_prompt="Bench", published_version=1
    )
    version = agent.create_version()
    outcomes = itertools.cycle(
        [Outcome.ANSWERED, Outcome.NO_ANSWER, Outcome.BUSY, Outcome.ANSWERED]
    )
    now = timezone.now()
    for start in range(0, calls, CHUNK):
        chunk = range(start, min(start + CHUNK, calls))
        Call.unscoped.bulk_create(
            ended(workspace, agent, version, index, next(outcomes), now) for index in chunk
        )
    with connection.cursor() as cursor:
        cursor.execute(
            f'VACUUM ANALYZE "{Call._meta.db_table}"'
        )  # as PostgreSQL does by itself, minutes later
    return workspace


def ended(
    workspace: Workspace,
    agent: Agent,
    version: AgentVersion,
    index: int,
    outcome: Outcome,
    now: Any,
) -> Call:
    pk = uuid7()
    at = now - timedelta(seconds=index)
    return Call(
        pk=pk,
        workspace=workspace,
        agent=agent,
        agent_version=version,
        stage=Stage.ENDED,
        outcome=outcome,
        room=f"vo-{pk}",
        from_number="+12025550100",
        to_number=f"+1202{5550000 + index % 1000000:07}",
        variables={"first_name": "Ada"},
        dialed_at=at,
        answered_at=at if outcome == Outcome.ANSWERED else None,
        ended_at=at + timedelta(seconds=30),
    )


def bare_page(workspace: Workspace) -> dict[str, Any]:
    """The same fifty rows and the same exact total, without anything around them."""
    shown = Call.unscoped.filter(SHOWN, workspace=workspace)
    rows = shown.order_by("-pk").values(*FIELDS)[:50]
    return {"total": shown.count(), "items": [dict(row) for row in rows]}


def paths(workspace: Workspace) -> dict[str, str]:
    one = Call.unscoped.filter(workspace=workspace).order_by("pk").values_list("pk", flat=True)[0]
    return {
        "calls_page_1": "/calls",
        "calls_by_outcome": "/calls?outcome=busy",
        "calls_page_1000": "/calls?page=1000",
        "calls_to_one_number": "/calls?to=%2B12025550007",
        "call": f"/calls/{one}",
        "agents": "/agents",
    }
