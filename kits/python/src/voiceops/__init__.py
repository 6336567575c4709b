"""A client of VoiceOps: typed, blocking and for asyncio.

with VoiceOps("https://voiceops.example.com", api_key="vo_…") as voiceops:
    for batch in voiceops.batches.list(status="running"):
        print(batch.name, batch.counts.completed)
"""

from voiceops import models, webhooks
from voiceops.client import AsyncVoiceOps, VoiceOps
from voiceops.errors import (
    ApiError,
    BadRequest,
    Conflict,
    ConnectionFailed,
    FieldAbsent,
    Forbidden,
    NotFound,
    NotListed,
    NotUnique,
    ServerFailed,
    SignatureInvalid,
    TooManyRequests,
    Unauthorized,
    ValidationFailed,
    VoiceOpsError,
)
from voiceops.pages import AsyncPages, Page, Pages

__all__ = [
    "ApiError",
    "AsyncPages",
    "AsyncVoiceOps",
    "BadRequest",
    "Conflict",
    "ConnectionFailed",
    "FieldAbsent",
    "Forbidden",
    "NotFound",
    "NotListed",
    "NotUnique",
    "Page",
    "Pages",
    "ServerFailed",
    "SignatureInvalid",
    "TooManyRequests",
    "Unauthorized",
    "ValidationFailed",
    "VoiceOps",
    "VoiceOpsError",
    "models",
    "webhooks",
]
