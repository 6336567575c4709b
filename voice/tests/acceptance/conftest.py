from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from voice.bench.world import World, running_world
from voice.tests.acceptance.conversations import Spoken
from voice.tests.installation import Installation, running_installation


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
async def spoken() -> AsyncIterator[Spoken]:
    """Conversations in sound. All of them begin with the first that is asked for."""
    conversations = Spoken()
    yield conversations
    conversations.cancel()
