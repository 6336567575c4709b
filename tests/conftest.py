from collections.abc import Iterator

import pytest
from pytest_django import Settings

from accounts.models import Workspace
from tests import make, sandbox_server
from tests.sandbox_server import RunningSandbox


@pytest.fixture
def ours(db: None) -> Workspace:
    return make.workspace(name="Ours")


@pytest.fixture
def theirs(db: None) -> Workspace:
    return make.workspace(name="Theirs")


@pytest.fixture
def box(settings: Settings) -> Iterator[RunningSandbox]:
    """LiveKit and Twilio, both played by one sandbox that our settings point at."""
    with sandbox_server.start() as running:
        settings.LIVEKIT_URL = settings.TWILIO_BASE_URL = running.url
        settings.LIVEKIT_API_KEY, settings.LIVEKIT_API_SECRET = running.api_key, running.api_secret
        settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = (
            running.config.twilio_sid,
            running.config.twilio_token,
        )
        settings.LIVEKIT_SIP_HOST = "voiceops.sip.livekit.cloud"
        yield running
