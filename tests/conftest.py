from collections.abc import Iterator

import pytest
from pytest_django import Settings

from accounts.api.slow_requests import places
from accounts.models import Workspace
from ops.checking.health import collect_metrics, probe_all
from tests import make, sandbox_server
from tests.sandbox_server import RunningSandbox


@pytest.fixture(autouse=True)
def forget_answers() -> None:
    """What a test reads must not be what an earlier one was told a second ago."""
    probe_all.forget()
    collect_metrics.forget()
    # A server closes every response; the test client leaves streams that nobody reads open.
    places.by_workspace.clear()


@pytest.fixture
def ours(db: None) -> Workspace:
    return make.workspace(name="Ours")


@pytest.fixture
def theirs(db: None) -> Workspace:
    return make.workspace(name="Theirs")


@pytest.fixture
def box(settings: Settings) -> Iterator[RunningSandbox]:
    """A running sandbox, with the settings for LiveKit and Twilio pointing at it."""
    with sandbox_server.start() as running:
        settings.LIVEKIT_URL = running.url
        settings.LIVEKIT_API_KEY = running.api_key
        settings.LIVEKIT_API_SECRET = running.api_secret
        settings.TWILIO_BASE_URL = running.url
        settings.TWILIO_ACCOUNT_SID = running.config.twilio_sid
        settings.TWILIO_AUTH_TOKEN = running.config.twilio_token
        settings.LIVEKIT_SIP_HOST = "voiceops.sip.livekit.cloud"
        yield running
