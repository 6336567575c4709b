"""The rows and the requests of the API benchmark."""

import itertools
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.models import Workspace
from agents.models import Agent, AgentVersion
from telephony.models import LISTED, Call, Outcome, Stage
from voiceops.core.ids import uuid7

INSERT_CHUNK_CALLS = 2000
API_BENCH_WORKSPACE = "Bench"
# The requests that must not be slower than a share of the bare query.
PROMISED_REQUESTS = ("calls_page_1", "calls_by_outcome")
BARE_PAGE_ROWS = 50
BARE_FIELDS = (
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


def prepare_calls(calls: int) -> Workspace:
    """A workspace with that many ended calls."""
    Workspace.unscoped.filter(name=API_BENCH_WORKSPACE).delete()
    workspace = Workspace.unscoped.create(name=API_BENCH_WORKSPACE)
    agent = Agent.unscoped.create(
        workspace=workspace, name="Bench", system_prompt="Bench", published_version=1
    )
    version = agent.create_version()
    outcomes = itertools.cycle(
        [Outcome.ANSWERED, Outcome.NO_ANSWER, Outcome.BUSY, Outcome.ANSWERED]
    )
    now = timezone.now()
    for start in range(0, calls, INSERT_CHUNK_CALLS):
        chunk = range(start, min(start + INSERT_CHUNK_CALLS, calls))
        Call.unscoped.bulk_create(
            build_call(workspace, version, index, next(outcomes), now) for index in chunk
        )
    # A fresh table without statistics would be read with a sequential scan.
    with connection.cursor() as cursor:
        # PostgreSQL does this by itself, but only minutes later.
        cursor.execute(f'VACUUM ANALYZE "{Call._meta.db_table}"')
    return workspace


def build_call(
    workspace: Workspace, version: AgentVersion, index: int, outcome: Outcome, now: datetime
) -> Call:
    """An ended call, dialed `index` seconds ago; not saved."""
    pk = uuid7()
    dialed_at = now - timedelta(seconds=index)
    return Call(
        pk=pk,
        workspace=workspace,
        agent=version.agent,
        agent_version=version,
        stage=Stage.ENDED,
        outcome=outcome,
        room=f"vo-{pk}",
        from_number="+12025550100",
        to_number=f"+1202{5550000 + index % 1000000:07}",
        variables={"first_name": "Ada"},
        dialed_at=dialed_at,
        answered_at=dialed_at if outcome == Outcome.ANSWERED else None,
        ended_at=dialed_at + timedelta(seconds=30),
    )


def read_bare_page(workspace: Workspace) -> dict[str, Any]:
    """The same rows and the same exact total as the API's first page, with nothing around them."""
    calls = Call.unscoped.filter(LISTED, workspace=workspace)
    rows = calls.order_by("-pk").values(*BARE_FIELDS)[:BARE_PAGE_ROWS]
    return {"total": calls.count(), "items": [dict(row) for row in rows]}


def request_paths(workspace: Workspace) -> dict[str, str]:
    """The measured requests by name."""
    calls = Call.unscoped.filter(workspace=workspace).order_by("pk")
    oldest = calls.values_list("pk", flat=True)[0]
    return {
        "calls_page_1": "/calls",
        "calls_by_outcome": "/calls?outcome=busy",
        "calls_page_1000": "/calls?page=1000",
        "calls_to_one_number": "/calls?to=%2B12025550007",
        "call": f"/calls/{oldest}",
        "agents": "/agents",
    }
