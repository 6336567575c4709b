"""Whether an address is within networks that somebody wrote down as text."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network


def is_within(address: str | None, networks: tuple[str, ...]) -> bool:
    """False for what is no address. One that is IPv4 in IPv6's clothes, as a server on `[::]` sees it, is IPv4."""
    try:
        found: IPv4Address | IPv6Address = ip_address(address or "")
    except ValueError:
        return False
    found = (found.ipv4_mapped if isinstance(found, IPv6Address) else None) or found
    return any(found in network for network in _parsed(networks) if network.version == found.version)


@lru_cache(maxsize=256)
def _parsed(texts: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(text, strict=False) for text in texts)
