from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.sandbox_server import RunningSandbox
from tests.telephony.numbers.relay import Relay, relay_to


@pytest.fixture
def relay(box: RunningSandbox, settings: Settings) -> Iterator[Relay]:
    """A relay in front of LiveKit's API only; Twilio is reached directly."""
    with relay_to(box.url) as running:
        settings.LIVEKIT_URL = running.url
        yield running
