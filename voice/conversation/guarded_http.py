"""Requests to addresses that an agent names: public ones only, and nowhere else.

`voiceops/core/public_addresses.py` decides what is public, when the connection is made.
"""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import aiohttp
import httpx2
from yarl import URL

from voiceops.core.public_addresses import (
    UNREACHABLE_TEXT,
    PublicResolver,
    find_url_fault,
    public_socket,
)

CONNECT_SECONDS = 10.0
# Of one answer of an MCP server; also of the stream that it keeps open for the whole call.
MAX_STREAM_BYTES = 4 * 1024 * 1024
# aiohttp sets these itself.
OWN_HEADERS = {"host", "content-length", "connection", "transfer-encoding", "accept-encoding"}


def guarded_session(*, permits_private: bool, **options: Any) -> aiohttp.ClientSession:
    """Return a session that reaches public addresses only, or all when that is permitted."""
    connector = aiohttp.TCPConnector(
        resolver=PublicResolver(permits_private=permits_private),
        socket_factory=partial(public_socket, permits_private=permits_private),
        # A cached name would be checked once and used later, with another address.
        use_dns_cache=False,
        force_close=True,
    )
    return aiohttp.ClientSession(
        connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), **options
    )


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Carries the requests of httpx2, which MCP's client makes, through a guarded session."""

    def __init__(self, *, permits_private: bool) -> None:
        self._permits_private = permits_private
        self._session = guarded_session(
            permits_private=permits_private,
            # Nothing compressed is asked for, so that no answer grows when it is read.
            auto_decompress=False,
            headers={"Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises httpx2.ConnectError for an address that is refused or cannot be reached."""
        url = str(request.url)
        fault = find_url_fault(url, permits_private=self._permits_private)
        if fault is not None:
            raise httpx2.ConnectError(f"The address {fault}")
        headers = [
            (name, value)
            for name, value in request.headers.multi_items()
            if name.lower() not in OWN_HEADERS
        ]
        try:
            response = await self._session.request(
                request.method,
                URL(url, encoded=True),
                headers=headers,
                data=await request.aread() or None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise httpx2.ConnectError(UNREACHABLE_TEXT) from error
        kept = [pair for pair in response.headers.items() if pair[0].lower() != "content-encoding"]
        return httpx2.Response(response.status, headers=kept, stream=_Body(response))

    async def aclose(self) -> None:
        await self._session.close()


class _Body(httpx2.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Raises httpx2.ReadError when the connection breaks, or the answer is too long."""
        size = 0
        try:
            async for chunk in self._response.content.iter_any():
                size += len(chunk)
                if size > MAX_STREAM_BYTES:
                    raise httpx2.ReadError("The answer is too long")
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise httpx2.ReadError(UNREACHABLE_TEXT) from error

    async def aclose(self) -> None:
        self._response.close()
