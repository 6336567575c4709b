"""Which SIP addresses a trunk may lead to: never one inside our own network.

Names are not resolved here, because LiveKit resolves them. `voiceops.core.ip_networks` decides what
is public: Python's own parser and `is_global` do not suffice (`docs/reference/reliability.md §F2`).
"""

import re

from voiceops.core.errors import Invalid
from voiceops.core.ip_networks import is_public, parse_address

SIP_ADDRESS = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)(?::(?P<port>\d{1,5}))?"
)
DEFAULT_SIP_PORT = 5060
LOCAL_NAMES = (".localhost", ".local", ".internal", ".home.arpa")


def is_well_formed(address: str) -> bool:
    """Return whether this is a host name, an IPv4 address or an [IPv6 address], maybe with a port.

    SIP URIs and parameters are not accepted.
    """
    match = SIP_ADDRESS.fullmatch(address)
    if match is None:
        return False
    is_valid_port = 0 < int(match["port"] or DEFAULT_SIP_PORT) < 65536
    return is_valid_port and _is_valid_host(match["host"])


def require_public(address: str) -> None:
    """Check that a well-formed address does not lead into our own network.

    Raises Invalid for an IP address that is not public, and for names that mean this machine or
    its network.
    """
    match = SIP_ADDRESS.fullmatch(address)
    assert match is not None
    host = match["host"]
    ip = parse_address(host)
    is_local_name = f".{host.lower()}".endswith(LOCAL_NAMES)
    if is_local_name or (ip is not None and not is_public(ip)):
        raise Invalid("SIP address must be public")


def _is_valid_host(host: str) -> bool:
    # The pattern has checked names and IPv4 addresses, but not what stands in brackets.
    return not host.startswith("[") or parse_address(host) is not None
