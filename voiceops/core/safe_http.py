"""A POST to a URL that a customer named: only to public addresses, with a timeout.

Which addresses are public, `voiceops/core/public_addresses.py` decides. Redirects are not followed;
of the response body an excerpt is returned, never all of it. With DEBUG=1 every address is allowed.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz
from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings

from voiceops.core.errors import Invalid
from voiceops.core.lazy_module import LazyModule
from voiceops.core.public_addresses import (
    UNREACHABLE_TEXT,
    PublicResolver,
    find_url_fault,
    public_socket,
)

if TYPE_CHECKING:
    import aiohttp
else:
    aiohttp = LazyModule("aiohttp")

TIMEOUT_SECONDS = 15  # in total: resolving, connecting, and a response that arrives slowly
MAX_RESPONSE_BYTES = 64 * 1024
EXCERPT_BYTES = 500  # enough to show a receiver's own words for what it did not like
MAX_RETRY_AFTER_LENGTH = 40


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
    fault = find_url_fault(url, permits_private=settings.DEBUG)
    if fault is not None:
        raise Invalid(f"Webhook URL {fault}")


def post(url: str, *, body: str, headers: Mapping[str, str]) -> HttpResult:
    """Send the request and return its result. Never raises for failures of network or receiver."""
    try:
        require_safe_url(url)
        return asyncio.run(_post(url, body.encode(), headers))
    except (aiohttp.ClientError, TimeoutError, OSError, Invalid, ValueError):
        return HttpResult(None, UNREACHABLE_TEXT)


async def _post(url: str, body: bytes, headers: Mapping[str, str]) -> HttpResult:
    connector = aiohttp.TCPConnector(
        resolver=PublicResolver(permits_private=settings.DEBUG),
        socket_factory=partial(public_socket, permits_private=settings.DEBUG),
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


def _retry_after_seconds(text: str | None) -> float | None:
    """Parse `Retry-After`: seconds or a date (RFC 9110, section 10.2.3)."""
    if text is None or len(text) > MAX_RETRY_AFTER_LENGTH:
        return None
    if re.fullmatch(r"[0-9]{1,7}", text.strip()):
        return float(text)
    date = parsedate_tz(text)
    return max(mktime_tz(date) - time.time(), 0.0) if date else None
