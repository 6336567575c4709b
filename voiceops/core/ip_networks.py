"""Whether an address is within networks that somebody wrote down as text."""

import re
import socket
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network


def is_within(address: str | None, networks: tuple[str, ...]) -> bool:
    """False for what is no address. One that is IPv4 in IPv6's clothes, as a server on `[::]` sees
    it, is IPv4.
    """
    try:
        found: IPv4Address | IPv6Address = ip_address(address or "")
    except ValueError:
        return False
    found = (found.ipv4_mapped if isinstance(found, IPv6Address) else None) or found
    return any(
        found in network
        for network in _parse_networks(networks)
        if network.version == found.version
    )


@lru_cache(maxsize=256)
def _parse_networks(texts: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text, strict=False) for text in texts)


NUMERIC_IPV4 = re.compile(r"(?:0[xX][0-9A-Fa-f]+|\d+)(?:\.(?:0[xX][0-9A-Fa-f]+|\d+)){0,3}")
NON_PUBLIC_NETWORKS = [
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


def parse_address(host: str) -> IPv4Address | IPv6Address | None:
    """The address a host spells, in any spelling the C library understands; None for a name.

    An IPv6 address with a zone (`fe80::1%eth0`) belongs to a network of ours, and is read without
    it.
    """
    host = host.strip("[]").partition("%")[0]
    try:
        if NUMERIC_IPV4.fullmatch(host):
            return IPv4Address(socket.inet_aton(host))
        return ip_address(host)
    except (OSError, ValueError):
        return None


def is_public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return is_public(ip.ipv4_mapped)
    return ip.is_global and not any(
        ip in net for net in NON_PUBLIC_NETWORKS if net.version == ip.version
    )
