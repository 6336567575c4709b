import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from voice.bench.world import World, running_world
from voice.tests.acceptance.conversations import Spoken
from voice.tests.installation import Installation, running_installation

# By the last two digits of the callee's number, modulo their count: 96, 97, 78 and 95.
CALLEES = {
    "scripts": [
        {
            "label": "speaks every five seconds for a minute",
            "caller": [
                step
                for number in range(1, 13)
                for step in ({"silence": 5}, {"says": f"This is line {number}."})
            ],
        },
        {"label": "wants Friday", "caller": ["How about Friday?", "Yes, of course"]},
        {"label": "machine", "answers": "machine", "greeting": "Please leave a message."},
        {"label": "says nothing", "caller": [{"silence": 600}]},
    ]
}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The worker and the sandbox, with a control plane that only takes reports."""
    async with running_world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installation(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """The worker and the sandbox, with the control plane itself."""
    async with running_installation(tmp_path_factory.mktemp("installation")) as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def crowded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """The same, with room for ten calls, whose callees are played by CALLEES."""
    folder = tmp_path_factory.mktemp("crowded")
    callees = folder / "callees.json"
    callees.write_text(json.dumps(CALLEES))
    variables = {"VOICE_MAX_CALLS": "10", "VOICE_CALLEES": str(callees)}
    async with running_installation(folder, **variables) as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def spoken() -> AsyncIterator[Spoken]:
    """Conversations in sound. All of them begin with the first that is asked for."""
    conversations = Spoken()
    yield conversations
    conversations.cancel()
