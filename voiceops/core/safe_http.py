"""A POST to a URL that a customer named: only to public addresses, with a timeout.

The address is checked when the connection is made, and the checked address is the one that is
connected to, so that a name which resolves differently a moment later gains nothing. Redirects are
not followed; of the response body an excerpt is returned, never all of it. With DEBUG=1 every
address is allowed.
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

TIMEOUT_SECONDS = 15  # in total: resolving, connecting, and a response that arrives slowly
MAX_RESPONSE_BYTES = 64 * 1024
EXCERPT_BYTES = 500  # enough to show a receiver's own words for what it did not like
MAX_RETRY_AFTER_LENGTH = 40
ALLOWED_PORTS = (443, 8443)
# One message for refused, blocked and timed out: the difference would reveal our own network.
UNREACHABLE_TEXT = "could not be reached"


@dataclass(frozen=True)
class HttpResult:
    """`status` is None without a response. `retry_after` is the receiver's wish in seconds.

    `excerpt` is the beginning of the response body as text.
    """

    status: int | None
    error: str | None = None
    retry_after: float | None = None
    excerpt: str = ""

    @property
    def is_success(self) -> bool:
        """Whether the receiver accepted the request (2xx)."""
        return self.status is not None and 200 <= self.status < 300


def require_safe_url(url: str) -> None:
    """Raises Invalid for a URL that is never requested. Names are checked when resolved."""
    try:
        parts = URL(
            url
        )  # parsed as aiohttp will: it reads full-width digits as digits, for example
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
    """Send the request and return its result. Never raises for failures of network or receiver."""
    try:
        require_safe_url(url)
        return asyncio.run(_post(url, body.encode(), headers))
    except (aiohttp.ClientError, TimeoutError, OSError, Invalid, ValueError):
        return HttpResult(None, UNREACHABLE_TEXT)


async def _post(url: str, body: bytes, headers: Mapping[str, str]) -> HttpResult:
    connector = aiohttp.TCPConnector(
        resolver=PublicResolver(),
        socket_factory=public_socket,
        # A cached name would be checked once and used later, when it may have another address.
        use_dns_cache=False,
        force_close=True,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        trust_env=False,
        # A small compressed body could grow without limit.
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
    )
    async with (
        session,
        session.post(url, data=body, headers=headers, allow_redirects=False) as response,
    ):
        # Read so that the exchange ends normally on the receiver's side.
        content = await response.content.read(MAX_RESPONSE_BYTES)
        error = None if 200 <= response.status < 300 else f"answered {response.status}"
        retry_after = _retry_after_seconds(response.headers.get("Retry-After"))
        # PostgreSQL stores no NUL.
        excerpt = content[:EXCERPT_BYTES].decode(errors="replace").replace("\0", "\ufffd")
        return HttpResult(response.status, error, retry_after, excerpt)


class PublicResolver(AbstractResolver):
    """Refuses a name unless all its addresses are public."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name. Raises OSError unless all are public."""
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        addresses = [(kind, str(address[0])) for kind, _, _, _, address in infos]
        if not settings.DEBUG and not all(_is_public_text(address) for _, address in addresses):
            raise OSError(UNREACHABLE_TEXT)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=kind,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, address in addresses
        ]

    async def close(self) -> None:
        """Do nothing: no resource is held."""


def public_socket(address: AddrInfoType) -> socket.socket:
    """Return a socket for the address. Raises OSError unless it is public.

    Addresses in the URL itself do not pass the resolver. They are checked here, after aiohttp has
    parsed them.
    """
    family, kind, protocol, _, target = address
    if not settings.DEBUG and not _is_public_text(str(target[0])):
        raise OSError(UNREACHABLE_TEXT)
    return socket.socket(family, kind, protocol)


def _is_public_text(text: str) -> bool:
    address = parse_address(text)
    return address is not None and is_public(address)


def _retry_after_seconds(text: str | None) -> float | None:
    """Parse `Retry-After`: seconds or a date (RFC 9110, section 10.2.3)."""
    if text is None or len(text) > MAX_RETRY_AFTER_LENGTH:
        return None
    if re.fullmatch(r"[0-9]{1,7}", text.strip()):
        return float(text)
    date = parsedate_tz(text)
    return max(mktime_tz(date) - time.time(), 0.0) if date else None
