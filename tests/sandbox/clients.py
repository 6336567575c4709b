"""The real clients of LiveKit and Twilio, pointed at a sandbox."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from livekit import api
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from tests.sandbox_server import RunningSandbox


@asynccontextmanager
async def livekit(box: RunningSandbox, **changes: Any) -> AsyncIterator[api.LiveKitAPI]:
    settings = {
        "url": box.url,
        "api_key": box.api_key,
        "api_secret": box.api_secret,
        "failover": False,
        **changes,
    }
    async with api.LiveKitAPI(**settings) as client:
        yield client


class RedirectingClient(TwilioHttpClient):  # type: ignore[misc]  # twilio ships no types
    """Sends every request to the sandbox, including those for absolute next pages."""

    def __init__(self, base_url: str) -> None:
        super().__init__(timeout=10, pool_connections=False)
        self.base = urlsplit(base_url)

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        there = urlsplit(url)._replace(scheme=self.base.scheme, netloc=self.base.netloc).geturl()
        return super().request(method, there, *args, **kwargs)


def twilio(box: RunningSandbox, **changes: str) -> Client:
    sid, token = (
        changes.get("sid", box.config.twilio_sid),
        changes.get("token", box.config.twilio_token),
    )
    return Client(sid, token, http_client=RedirectingClient(box.url))
