"""The two clients: `VoiceOps` waits, `AsyncVoiceOps` is for asyncio."""

from typing import Any, Self, get_type_hints

import httpx

from voiceops import blocking, nonblocking
from voiceops._generated import operations
from voiceops.requests import Request, RetryPolicy
from voiceops.transport import AsyncTransport, Transport, http_options


class VoiceOps(operations.Groups):
    """The API of an installation, for one workspace.

    `api_key` is a key (`vo_…`) or an access token; with a token, `workspace_id` chooses another
    workspace than the default one. `retries` is how often a request is sent again when the
    server is away or busy; a POST has an `Idempotency-Key` and takes effect once.
    """

    agents: blocking.Agents
    batches: blocking.Batches
    phone_numbers: blocking.PhoneNumbers
    suppressions: blocking.Suppressions

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        workspace_id: str | None = None,
        retries: int = 4,
        http: httpx.BaseTransport | None = None,
    ) -> None:
        options = http_options(base_url, api_key, workspace_id)
        self._transport = Transport(
            httpx.Client(transport=http, **options), RetryPolicy(retries=retries)
        )
        _add_groups(self, self._transport)

    def send(self, request: Request) -> httpx.Response:
        """Send a request of your own. Raises ApiError, ConnectionFailed."""
        return self._transport.send(request)

    def close(self) -> None:
        self._transport.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class AsyncVoiceOps(operations.AsyncGroups):
    """The same for asyncio: `async with`, `await` and `async for`."""

    agents: nonblocking.AsyncAgents
    batches: nonblocking.AsyncBatches
    phone_numbers: nonblocking.AsyncPhoneNumbers
    suppressions: nonblocking.AsyncSuppressions

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        workspace_id: str | None = None,
        retries: int = 4,
        http: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        options = http_options(base_url, api_key, workspace_id)
        self._transport = AsyncTransport(
            httpx.AsyncClient(transport=http, **options), RetryPolicy(retries=retries)
        )
        _add_groups(self, self._transport)

    async def send(self, request: Request) -> httpx.Response:
        """Send a request of your own. Raises ApiError, ConnectionFailed."""
        return await self._transport.send(request)

    async def close(self) -> None:
        await self._transport.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()


def _add_groups(client: Any, transport: Transport | AsyncTransport) -> None:
    """Give the client an attribute for every part of the API, as its class declares them."""
    for name, group in get_type_hints(type(client)).items():
        setattr(client, name, group(transport))
