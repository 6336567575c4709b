"""LiveKit's official client and what it is built on, imported when first used.

A web process serves most of its requests without them, and they are a tenth of its memory.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from voiceops.core.lazy_module import LazyModule

if TYPE_CHECKING:
    import aiohttp
    from google.protobuf import duration_pb2, json_format, message
    from livekit import api
    from livekit.protocol import egress, sip
else:
    aiohttp = LazyModule("aiohttp")
    duration_pb2 = LazyModule("google.protobuf.duration_pb2")
    json_format = LazyModule("google.protobuf.json_format")
    message = LazyModule("google.protobuf.message")
    api = LazyModule("livekit.api")
    egress = LazyModule("livekit.protocol.egress")
    sip = LazyModule("livekit.protocol.sip")

__all__ = ("aiohttp", "api", "duration_pb2", "egress", "json_format", "message", "sip")


def load_sdk() -> None:
    """Import it now, in a process that dials: its first call must not wait for that."""
    import_module("livekit.api")
