"""Which SIP addresses may be named: never one inside our own network. Names are not resolved here, LiveKit does that.

Python's `is_global` alone is not enough (reliability.md F2), nor is its parser: `0x7f.1` and `2130706433` are
127.0.0.1 to everything that connects.
"""

import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from voiceops.errors import Invalid

ADDRESS = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)(?::(?P<port>\d{1,5}))?"
)
NUMERIC = re.compile(r"(?:0[xX][0-9A-Fa-f]+|\d+)(?:\.(?:0[xX][0-9A-Fa-f]+|\d+)){0,3}")
LOCAL_NAMES = (".localhost", ".local", ".internal", ".home.arpa")
NOT_PUBLIC = [
    ip_network(net)
    for net in (
        "192.88.99.0/24",  # 6to4 relays
        "224.0.0.0/4",
        "168.63.129.16/32",  # Azure's platform address
        "::/96",  # IPv4-compatible, given up: any IPv4 address, private ones too
        "::ffff:0:0:0/96",  # SIIT: the same
        "64:ff9b::/96",  # NAT64: the same
        "64:ff9b:1::/48",  # NAT64 within a network
        "2002::/16",  # 6to4: the same
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
        "ff00::/8",
    )
]


def is_well_formed(address: str) -> bool:
    """A host name, IPv4 address or [IPv6 address], optionally with a port. No SIP URI, no parameters."""
    found = ADDRESS.fullmatch(address)
    return found is not None and 0 < int(found["port"] or 5060) < 65536 and _is_sound(found["host"])


def refuse_private(address: str) -> None:
    """Raises Invalid for a literal address that is not public, and for names that mean this machine or network."""
    found = ADDRESS.fullmatch(address)
    assert found is not None
    host = found["host"]
    ip = literal_address(host)
    if (ip is not None and not is_public(ip)) or f".{host.lower()}".endswith(LOCAL_NAMES):
        raise Invalid("SIP address must be public")


def _is_sound(host: str) -> bool:
    return not host.startswith("[") or literal_address(host) is not None


def literal_address(host: str) -> IPv4Address | IPv6Address | None:
    """The address a host spells, in any spelling the C library understands; None for a name.

    An IPv6 address with a zone (`fe80::1%eth0`) belongs to a network of ours, and is read without it.
    """
    host = host.strip("[]").partition("%")[0]
    try:
        if NUMERIC.fullmatch(host):
            return IPv4Address(socket.inet_aton(host))
        return ip_address(host)
    except (OSError, ValueError):
        return None


def is_public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return is_public(ip.ipv4_mapped)
    return ip.is_global and not any(ip in net for net in NOT_PUBLIC if net.version == ip.version)
