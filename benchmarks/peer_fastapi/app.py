"""The application: `uvicorn benchmarks.peer_fastapi.app:app --workers 2`."""

from typing import Any

from fastapi import FastAPI
from sqlalchemy import select

from benchmarks.peer_fastapi import batches, calls, intake
from benchmarks.peer_fastapi.bodies import AgentBody, Page, SuppressionBody, WebhookBody
from benchmarks.peer_fastapi.database import SessionOfRequest
from benchmarks.peer_fastapi.login import CallerOfRequest
from benchmarks.peer_fastapi.paging import (
    PageNumber,
    PageSize,
    build_page,
    count_rows,
    read_page,
)
from benchmarks.peer_fastapi.tables import Agent, Suppression, WebhookEndpoint

app = FastAPI()
app.include_router(calls.router)
app.include_router(batches.router)
app.include_router(intake.router)


@app.get("/healthz")
async def answer_probe() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/agents")
async def list_agents(
    session: SessionOfRequest,
    caller: CallerOfRequest,
    page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Page[AgentBody]:
    """Agents that keep secrets are not served: the benchmark has none."""
    conditions = (Agent.workspace_id == caller.workspace_id, Agent.deleted_at.is_(None))
    return await _list(session, Agent, AgentBody, conditions, page, page_size)


@app.get("/suppressions")
async def list_suppressions(
    session: SessionOfRequest,
    caller: CallerOfRequest,
    page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Page[SuppressionBody]:
    conditions = (Suppression.workspace_id == caller.workspace_id,)
    return await _list(session, Suppression, SuppressionBody, conditions, page, page_size)


@app.get("/webhooks")
async def list_webhooks(
    session: SessionOfRequest,
    caller: CallerOfRequest,
    page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Page[WebhookBody]:
    conditions = (WebhookEndpoint.workspace_id == caller.workspace_id,)
    return await _list(session, WebhookEndpoint, WebhookBody, conditions, page, page_size)


async def _list(
    session: SessionOfRequest, table: Any, body: Any, conditions: Any, page: int, page_size: int
) -> Any:
    """One page of a table, newest first, as a list of `body`."""
    total = await count_rows(session, *conditions)
    query = select(table).where(*conditions).order_by(table.id.desc())
    rows = await read_page(session, query, page, page_size)
    return build_page(rows, body.model_validate, total, page, page_size)
