"""One POST to an address a customer named: never into our own network, never for long, and nothing
of it believed.

The address is checked when the connection is made, and the address that was checked is the one that
is dialled, so a name that resolves differently a moment later gains nothing. On a laptop (DEBUG=1)
any address will do.
"""

import asyncio
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType
from django.conf import settings
from yarl import URL

from voiceops.core.errors import Invalid
from voiceops.core.ip_networks import is_public, parse_address

TIMEOUT_SECONDS = 15  # for everything: names, connection, headers and a body that drips
MAX_RESPONSE_BYTES = 64 * 1024
ALLOWED_PORTS = (443, 8443)
# One wording for refused, blocked and timed out: the difference would tell of our own network.
UNREACHABLE = "could not be reached"


@dataclass(frozen=True)
class HttpResult:
    """`status` is null when there was none. `retry_after`: seconds the receiver asked for."""

    status: int | None
    error: str | None = None
    retry_after: float | None = None

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def require_safe_url(url: str) -> None:
    """Raises Invalid for an address that can never be told anything. Names are judged when they are
    resolved.
    """
    try:
        parts = URL(url)  # read as it will be dialled: full-width digits, for one, are digits there
        host, port = parts.host or "", parts.port
    except ValueError as error:
        raise Invalid("Webhook URL is not valid") from error
    if parts.user is not None or parts.password is not None:
        raise Invalid("Webhook URL must not carry credentials")
    if settings.DEBUG:
        return
    if parts.scheme != "https":
        raise Invalid("Webhook URL must be an https address")
    if port not in ALLOWED_PORTS:
        raise Invalid("Webhook URL must use port 443 or 8443")
    address = parse_address(host)
    if address is not None and not is_public(address):
        raise Invalid("Webhook URL must be public")


def post(url: str, *, body: str, headers: Mapping[str, str]) -> HttpResult:
    """Send and tell how it went; never raises for what the other side or the way there does."""
    try:
        require_safe_url(url)
        return asyncio.run(_post(url, body.encode(), headers))
    except (aiohttp.ClientError, TimeoutError, OSError, Invalid, ValueError):
        return HttpResult(None, UNREACHABLE)


async def _post(url: str, body: bytes, headers: Mapping[str, str]) -> HttpResult:
    connector = aiohttp.TCPConnector(
        resolver=PublicResolver(),
        socket_factory=public_socket,
        use_dns_cache=False,
        force_close=True,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
    )
    async with (
        session,
        session.post(url, data=body, headers=headers, allow_redirects=False) as response,
    ):
        await response.content.read(MAX_RESPONSE_BYTES)
        error = None if 200 <= response.status < 300 else f"answered {response.status}"
        return HttpResult(
            response.status, error, _retry_after_seconds(response.headers.get("Retry-After"))
        )


class PublicResolver(AbstractResolver):
    """Refuses a name when any of its addresses is not public."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        addresses = [str(address[0]) for _, _, _, _, address in found]
        if not settings.DEBUG and not all(_is_reachable(address) for address in addresses):
            raise OSError(UNREACHABLE)
        kinds = [kind for kind, *_ in found]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=kind,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, address in zip(kinds, addresses, strict=True)
        ]

    async def close(self) -> None:
        """Nothing is held open."""


def public_socket(address: AddrInfoType) -> socket.socket:
    """The last door, which addresses written into the URL pass too, in whatever spelling aiohttp
    understood them.
    """
    family, kind, protocol, _, where = address
    if not settings.DEBUG and not _is_reachable(str(where[0])):
        raise OSError(UNREACHABLE)
    return socket.socket(family, kind, protocol)


def _is_reachable(address: str) -> bool:
    found = parse_address(address.partition("%")[0])
    return found is not None and is_public(found)


def _retry_after_seconds(text: str | None) -> float | None:
    """What `Retry-After` asks for: seconds, or a date (RFC 9110, section 10.2.3)."""
    if text is None or len(text) > 40:
        return None
    if re.fullmatch(r"[0-9]{1,7}", text.strip()):
        return float(text)
    date = parsedate_tz(text)
    return max(mktime_tz(date) - time.time(), 0.0) if date else None
