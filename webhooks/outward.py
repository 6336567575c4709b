"""One POST to an address a customer named: never into our own network, never for long, and nothing of it believed.

The address is checked when the connection is made, and the address that was checked is the one that is dialled, so a
name that resolves differently a moment later gains nothing. On a laptop (DEBUG=1) any address will do.
"""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings

from telephony.services.addresses import is_public, literal_address
from voiceops.errors import Invalid

SECONDS = 15  # for everything: names, connection, headers and a body that drips
MOST_BYTES = 64 * 1024
PORTS = (443, 8443)
# One wording for refused, blocked and timed out: the difference would tell of our own network.
UNREACHABLE = "could not be reached"


@dataclass(frozen=True)
class Answer:
    """`status` is null when there was none. `retry_after`: seconds the receiver asked for."""

    status: int | None
    error: str | None = None
    retry_after: float | None = None

    @property
    def arrived(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def check_url(url: str) -> None:
    """Raises Invalid for an address that can never be told anything. Names are judged when they are resolved."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Invalid("Webhook URL is not valid") from error
    if parts.username is not None or parts.password is not None:
        raise Invalid("Webhook URL must not carry credentials")
    if settings.DEBUG:
        return
    if parts.scheme != "https":
        raise Invalid("Webhook URL must be an https address")
    if (port or 443) not in PORTS:
        raise Invalid("Webhook URL must use port 443 or 8443")
    address = literal_address(parts.hostname or "")
    if address is not None and not is_public(address):
        raise Invalid("Webhook URL must be public")


def post(url: str, *, body: str, headers: Mapping[str, str]) -> Answer:
    """Send and tell how it went; never raises for what the other side or the way there does."""
    try:
        check_url(url)
        return asyncio.run(_post(url, body.encode(), headers))
    except (aiohttp.ClientError, TimeoutError, OSError, Invalid, ValueError):
        return Answer(None, UNREACHABLE)


async def _post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    connector = aiohttp.TCPConnector(resolver=PublicResolver(), use_dns_cache=False, force_close=True)
    session = aiohttp.ClientSession(
        connector=connector,
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=SECONDS),
    )
    async with session, session.post(url, data=body, headers=headers, allow_redirects=False) as response:
        await response.content.read(MOST_BYTES)
        error = None if 200 <= response.status < 300 else f"answered {response.status}"
        return Answer(response.status, error, _seconds(response.headers.get("Retry-After")))


class PublicResolver(AbstractResolver):
    """Refuses a name when any of its addresses is not public."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        addresses = [str(address[0]) for _, _, _, _, address in found]
        if not settings.DEBUG and not all(_may_be_dialled(address) for address in addresses):
            raise OSError(UNREACHABLE)
        kinds = [kind for kind, *_ in found]
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, address in zip(kinds, addresses, strict=True)
        ]

    async def close(self) -> None:
        """Nothing is held open."""


def _may_be_dialled(address: str) -> bool:
    found = literal_address(address.partition("%")[0])
    return found is not None and is_public(found)


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.strip().isdigit() and len(text) < 8 else None
