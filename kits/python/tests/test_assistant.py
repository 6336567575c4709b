"""The MCP server, started as an assistant starts it, and driven by the official client."""

import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from examples import whole_job
from mcp import Client, StdioServerParameters
from mcp.types import TextContent
from voiceops.assistant.tokens import LIFETIME_SECONDS, PreviewTokens, TokenRefused

from tests.installation import Installation
from voiceops import VoiceOps

SCRIPT = Path(sys.executable).parent / "voiceops"
TOKEN = re.compile(r"preview_token: (\S+)$")


@asynccontextmanager
async def assistant(installation: Installation) -> AsyncIterator[Client]:
    login = {"VOICEOPS_URL": installation.url, "VOICEOPS_API_KEY": installation.api_key}
    parameters = StdioServerParameters(command=str(SCRIPT), args=["mcp"], env=login)
    async with Client(parameters, read_timeout_seconds=60) as client:
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> tuple[str, bool]:
    """What a tool answers, and whether it is an error."""
    result = await client.call_tool(tool, arguments)
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text, result.is_error


async def preview(client: Client, tool: str, **arguments: Any) -> tuple[str, str]:
    """A preview and its token."""
    text, is_error = await call(client, tool, **arguments)
    assert not is_error, text
    found = TOKEN.search(text)
    assert found is not None, text
    return text, found[1]


@pytest.fixture
def batch_id(voiceops: VoiceOps, list_file: Path) -> str:
    """A batch that is ready to start."""
    batch = voiceops.batches.upload(
        list_file,
        agent_id=whole_job.prepare_agent(voiceops).id,
        phone_number_id=whole_job.prepare_number(voiceops).id,
    )
    while voiceops.batches.get(batch.id).status == "validating":
        time.sleep(0.1)
    return batch.id


async def test_everything_can_be_read(installation: Installation, batch_id: str) -> None:
    async with assistant(installation) as client:
        server = client.server_info
        assert server is not None
        assert server.version == metadata.version("voiceops")
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        batch, _ = await call(client, "batches_get", id=batch_id)
        listed, _ = await call(client, "batches_list", status="ready", page_size=1)
        results, _ = await call(client, "batches_results_csv", id=batch_id)
        missing = await call(client, "calls_get", id="c1")
        unnamed = await call(client, "calls_get", number="c1")

    assert {"agents_list", "calls_transcript", "analytics_summary", "audit_log_list"} <= set(tools)
    reads = [
        tool for tool in tools.values() if tool.annotations and tool.annotations.read_only_hint
    ]
    assert len(reads) > 40
    assert '"status":"ready"' in batch.replace(" ", "")
    assert batch_id in listed
    assert "Ada" in results
    assert missing == ("GET /calls/c1: 404 Call not found", True)
    assert unnamed == ("id is missing, number is unknown. Arguments: id", True)


async def test_a_batch_is_started_and_stopped_only_as_previewed(
    installation: Installation, voiceops: VoiceOps, batch_id: str
) -> None:
    async with assistant(installation) as client:
        text, token = await preview(client, "batches_start", id=batch_id)
        assert "Calls the 3 pending recipients of the batch 'people' (ready)" in text
        assert voiceops.batches.get(batch_id).status == "ready"

        other_action = await call(client, "batches_stop", id=batch_id, preview_token=token)
        invented = await call(client, "batches_start", id=batch_id, preview_token="yes")
        started, is_error = await call(client, "batches_start", id=batch_id, preview_token=token)
        again = await call(client, "batches_start", id=batch_id, preview_token=token)

        assert other_action == ("This preview was of another action, or of other arguments", True)
        assert invented == (
            "This preview is unknown, used or too old: ask for a new one",
            True,
        )
        assert (is_error, '"status": "running"' in started) == (False, True)
        assert again[1]

        batch = voiceops.batches.wait(batch_id)
        assert batch.status == "completed"
        for action, done in {"start": "started", "resume": "resumed", "stop": "stopped"}.items():
            refused = await call(client, f"batches_{action}", id=batch_id)
            assert refused == (f"The batch 'people' is completed, and cannot be {done}", True)


async def test_a_preview_does_not_hold_when_the_world_has_changed(
    installation: Installation, voiceops: VoiceOps
) -> None:
    agent = voiceops.agents.create(name="Draft", system_prompt="Remind")
    async with assistant(installation) as client:
        silent = await call(client, "calls_create", agent_id=agent.id, to="+12025550100")
        text, stale = await preview(client, "agents_publish", id=agent.id)
        voiceops.agents.update(agent.id, system_prompt="Sell")
        changed = await call(client, "agents_publish", id=agent.id, preview_token=stale)
        _, token = await preview(client, "agents_publish", id=agent.id)
        published, is_error = await call(client, "agents_publish", id=agent.id, preview_token=token)

    assert silent == ("The agent 'Draft' cannot call before it is published", True)
    assert "Changed since nothing: it was never published: " in text
    assert changed == ("What the preview showed has changed since: ask for a new one", True)
    assert not is_error
    assert '"published_version": 1' in published


async def test_a_number_is_bought_only_as_previewed(
    installation: Installation, voiceops: VoiceOps
) -> None:
    offer = voiceops.phone_numbers.available(country="US").page().items[0]
    arguments = {"phone_number": offer.phone_number, "country": "US"}
    async with assistant(installation) as client:
        text, token = await preview(client, "phone_numbers_purchase", **arguments)
        before = [number.phone_number for number in voiceops.phone_numbers.list()]
        _, is_error = await call(client, "phone_numbers_purchase", **arguments, preview_token=token)
        sold = await call(
            client, "phone_numbers_purchase", phone_number="+12025550000", country="US"
        )

    assert offer.phone_number in text
    assert offer.phone_number not in before
    assert not is_error
    assert voiceops.phone_numbers.find(offer.phone_number)
    assert sold == ("+12025550000 is not for sale in US", True)


def test_a_token_expires() -> None:
    now = [0.0]
    tokens = PreviewTokens(clock=lambda: now[0])
    token = tokens.issue("batches_start", {"id": "b1"}, {"status": "ready"})

    now[0] = LIFETIME_SECONDS

    with pytest.raises(TokenRefused, match="too old"):
        tokens.spend(token, "batches_start", {"id": "b1"}, {"status": "ready"})


def test_a_token_is_of_these_arguments_alone() -> None:
    tokens = PreviewTokens()
    token = tokens.issue("batches_start", {"id": "b1"}, {"status": "ready"})

    with pytest.raises(TokenRefused, match="other arguments"):
        tokens.spend(token, "batches_start", {"id": "b2"}, {"status": "ready"})
