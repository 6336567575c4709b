from collections.abc import Iterator

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests import sandbox
from tests.sandbox import RunningSandbox


@pytest.fixture
def box(settings: Settings, transactional_db: None, live_server: LiveServer) -> Iterator[RunningSandbox]:
    """LiveKit, its agent and its telephones, which report to a web server of ours."""
    settings.PUBLIC_URL = live_server.url
    with sandbox.start(speed=50, webhook_url=f"{live_server.url}/livekit/webhook") as running:
        settings.LIVEKIT_URL, settings.DATA_DIR = running.url, running.data_dir
        settings.LIVEKIT_API_KEY, settings.LIVEKIT_API_SECRET = running.api_key, running.api_secret
        yield running
