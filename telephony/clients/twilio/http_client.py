"""How Twilio's client sends a request: with a timeout, and to a sandbox where there is one.

A module of its own, because what it imports is large, and few processes need it.
"""

import logging
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response

TWILIO_TIMEOUT_SECONDS = 15.0

# The client logs ten lines for every request at INFO.
request_logger = logging.getLogger("telephony.clients.twilio.client.requests")
request_logger.setLevel(logging.WARNING)


class HttpClient(TwilioHttpClient):  # type: ignore[misc]  # the client is untyped
    """Sends every request to `base_url`, where one is given, instead of to Twilio."""

    def __init__(self, base_url: str) -> None:
        super().__init__(timeout=TWILIO_TIMEOUT_SECONDS, logger=request_logger)
        self.base = urlsplit(base_url) if base_url else None
        if self.session is not None and self.base is not None:
            self.session.trust_env = False  # a proxy of the environment does not reach a sandbox

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        """Send the request, to the same path of the base URL."""
        if self.base is not None:
            url = urlunsplit(
                urlsplit(url)._replace(scheme=self.base.scheme, netloc=self.base.netloc)
            )
        return super().request(method, url, *args, **kwargs)
