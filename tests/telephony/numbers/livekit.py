"""What LiveKit has, read with our own client."""

from typing import Any

from telephony.clients.livekit import trunks as livekit_trunks


def everything() -> dict[str, list[Any]]:
    found = livekit_trunks.find_all_trunks()
    return {
        "outbound": list(found.outbound),
        "inbound": list(found.inbound),
        "rules": list(found.rules),
    }


NOTHING: dict[str, list[Any]] = {"outbound": [], "inbound": [], "rules": []}
