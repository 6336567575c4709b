"""IP addresses: whether one lies within given networks, and whether one is public."""

import re
import socket
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

# Every spelling of IPv4 that the C library accepts: decimal, octal or hexadecimal, in up to four
# parts.
NUMERIC_IPV4 = re.compile(r"(?:0[xX][0-9A-Fa-f]+|\d+)(?:\.(?:0[xX][0-9A-Fa-f]+|\d+)){0,3}")
# Networks that the standard library counts as global, but that lead to private addresses.
NON_PUBLIC_NETWORKS = [
    ip_network(network)
    for network in (
        "192.88.99.0/24",  # 6to4 relays
        "224.0.0.0/4",  # multicast
        "168.63.129.16/32",  # Azure's platform address
        "::/96",  # IPv4-compatible (deprecated): contains every IPv4 address, private ones too
        "::ffff:0:0:0/96",  # SIIT: likewise
        "64:ff9b::/96",  # NAT64: likewise
        "64:ff9b:1::/48",  # NAT64 within a network
        "2002::/16",  # 6to4: likewise
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fec0::/10",  # site-local (deprecated)
        "ff00::/8",  # multicast
    )
]


@lru_cache(maxsize=1024)
def is_within(address: str | None, networks: tuple[str, ...]) -> bool:
    """Whether an address lies within any of the networks. False for invalid addresses.

    IPv4-mapped IPv6 addresses, which a server on `[::]` sees, are compared as IPv4.
    """
    try:
        ip: IPv4Address | IPv6Address = ip_address(address or "")
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(
        ip in network for network in _parse_networks(networks) if network.version == ip.version
    )


def is_network_within(network: str, networks: tuple[str, ...]) -> bool:
    """Whether every address of a network, or a single address, lies within one of the networks."""
    inner = ip_network(network, strict=False)
    return any(
        inner.subnet_of(outer)  # type: ignore[arg-type]  # of the same version, as checked
        for outer in _parse_networks(networks)
        if outer.version == inner.version
    )


def parse_address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address a host spells, in any spelling of the C library; None for a name.

    The zone of an IPv6 address (`fe80::1%eth0`) is ignored.
    """
    host = host.strip("[]").partition("%")[0]
    try:
        if NUMERIC_IPV4.fullmatch(host):
            return IPv4Address(socket.inet_aton(host))
        return ip_address(host)
    except (OSError, ValueError):
        return None


def is_public(ip: IPv4Address | IPv6Address) -> bool:
    """Whether the address belongs to the public internet."""
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return is_public(ip.ipv4_mapped)
    if not ip.is_global:
        return False
    return not any(
        ip in network for network in NON_PUBLIC_NETWORKS if network.version == ip.version
    )


@lru_cache(maxsize=256)
def _parse_networks(texts: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text, strict=False) for text in texts)
