"""Which of LiveKit's processes are down (POST /_sandbox/crash)."""

from dataclasses import dataclass


@dataclass
class Outage:
    """What a crash has taken away, until it comes back."""

    server_is_down: bool = False
    sip_is_down: bool = False
