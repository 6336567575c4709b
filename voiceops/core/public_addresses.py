"""Requests that reach public addresses only, whoever named the URL.

The address is checked when the connection is made, and the checked address is the one that is
connected to, so that a name which resolves differently a moment later gains nothing. Without
Django, because the voice worker's tools need it, too (`voice/`).
"""

import asyncio
import socket
from typing import TYPE_CHECKING

from yarl import URL

from voiceops.core.ip_networks import is_public, parse_address

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver, ResolveResult
    from aiohttp.connector import AddrInfoType
else:
    AbstractResolver = object  # which it resembles: not every process that checks URLs sends any

ALLOWED_PORTS = (443, 8443)
# One message for refused, blocked and timed out: the difference would reveal our own network.
UNREACHABLE_TEXT = "could not be reached"


def find_url_fault(url: str, *, permits_private: bool = False) -> str | None:
    """Return what is wrong with a URL that is never requested, such as `must be public`, or None.

    Names are checked when they are resolved.
    """
    try:
        # Parsed as aiohttp will: it reads full-width digits as digits, for example.
        parts = URL(url)
        host, port = parts.host or "", parts.port
    except ValueError:
        return "is not valid"
    if parts.user is not None or parts.password is not None:
        return "must not carry credentials"
    if permits_private:
        return None
    if parts.scheme != "https":
        return "must be an https address"
    if port not in ALLOWED_PORTS:
        return "must use port 443 or 8443"
    address = parse_address(host)
    return "must be public" if address is not None and not is_public(address) else None


class PublicResolver(AbstractResolver):
    """Refuses a name unless all its addresses are public, or private ones are permitted."""

    def __init__(self, *, permits_private: bool = False) -> None:
        self._permits_private = permits_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> "list[ResolveResult]":
        """Return the addresses of a name. Raises OSError unless all are public."""
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        addresses = [(kind, str(address[0])) for kind, _, _, _, address in infos]
        if not self._permits_private and not all(_is_public(address) for _, address in addresses):
            raise OSError(UNREACHABLE_TEXT)
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": kind,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for kind, address in addresses
        ]

    async def close(self) -> None:
        """Do nothing: no resource is held."""


def public_socket(address: "AddrInfoType", *, permits_private: bool = False) -> socket.socket:
    """Return a socket for the address. Raises OSError unless it is public, or may be private.

    Addresses in the URL itself do not pass the resolver. They are checked here, after aiohttp has
    parsed them.
    """
    family, kind, protocol, _, target = address
    if not permits_private and not _is_public(str(target[0])):
        raise OSError(UNREACHABLE_TEXT)
    return socket.socket(family, kind, protocol)


def _is_public(text: str) -> bool:
    address = parse_address(text)
    return address is not None and is_public(address)
