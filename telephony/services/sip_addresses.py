"""Which SIP addresses may be named: never one inside our own network. Names are not resolved here,
LiveKit does that.

Python's `is_global` alone is not enough (reliability.md F2), nor is its parser: `0x7f.1` and
`2130706433` are
127.0.0.1 to everything that connects.
"""

import re

from voiceops.core.errors import Invalid
from voiceops.core.ip_networks import is_public, parse_address

SIP_ADDRESS = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)(?::(?P<port>\d{1,5}))?"
)
LOCAL_NAMES = (".localhost", ".local", ".internal", ".home.arpa")


def is_well_formed(address: str) -> bool:
    """A host name, IPv4 address or [IPv6 address], optionally with a port. No SIP URI, no
    parameters.
    """
    found = SIP_ADDRESS.fullmatch(address)
    return (
        found is not None
        and 0 < int(found["port"] or 5060) < 65536
        and _is_valid_host(found["host"])
    )


def require_public(address: str) -> None:
    """Raises Invalid for a literal address that is not public, and for names that mean this machine
    or network.
    """
    found = SIP_ADDRESS.fullmatch(address)
    assert found is not None
    host = found["host"]
    ip = parse_address(host)
    if (ip is not None and not is_public(ip)) or f".{host.lower()}".endswith(LOCAL_NAMES):
        raise Invalid("SIP address must be public")


def _is_valid_host(host: str) -> bool:
    return not host.startswith("[") or parse_address(host) is not None
