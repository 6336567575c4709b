"""What a voice agent learns about its call, in the metadata of its dispatch.

`docs/reference/api-contract.md §6` gives its shape.
"""

import json
import logging
import re
from typing import Any

from django.conf import settings
from django.core.cache import cache

from agents.prompts import complete_variables
from telephony.domain import report_tokens
from telephony.models import Call

logger = logging.getLogger(__name__)

# LiveKit accepts no more (`docs/reference/protocols.md §1.5`).
MAX_METADATA_BYTES = 512 * 1024


# A server may be set to less, and tells nobody but in a refusal. What it said is remembered for a
# day, in the cache: then another refusal is worth less than an agent that could not be used.
LIMIT_KEY = "livekit:max-metadata-bytes"
LIMIT_LIFETIME_SECONDS = 86_400


def metadata_limit() -> int:
    """Return how many bytes of metadata LiveKit accepts, as far as is known."""
    return min(MAX_METADATA_BYTES, cache.get(LIMIT_KEY) or MAX_METADATA_BYTES)


def describe_metadata_limit() -> str:
    """Return the limit in words, such as `512 KiB`."""
    limit = metadata_limit()
    return f"{limit // 1024} KiB" if limit % 1024 == 0 else f"{limit} bytes"


def learn_metadata_limit(words: str, *, refused_bytes: int) -> None:
    """Remember a limit from LiveKit's refusal, which names it, or else from what it refused."""
    numbers = [int(found) for found in re.findall(r"\d{3,9}", words)]
    limit = next((number for number in numbers if number < refused_bytes), refused_bytes - 1)
    cache.set(LIMIT_KEY, limit, LIMIT_LIFETIME_SECONDS)
    logger.warning("LiveKit accepts at most %s bytes of metadata: %s", limit, words)


def is_too_long(metadata: str) -> bool:
    """Return whether LiveKit would refuse the metadata for its size."""
    return len(metadata.encode()) > metadata_limit()


def metadata_of(call: Call, config: dict[str, Any]) -> str:
    """Return the metadata as JSON; variables without a value have their defaults."""
    return json.dumps(
        {
            "call_id": str(call.pk),
            "report_url": f"{settings.PUBLIC_URL}/calls/{call.pk}/report",
            "report_token": report_tokens.mint(call.pk),
            "agent": config,
            "variables": complete_variables(config, call.variables),
        },
        # Escapes would double the length of a prompt in most scripts.
        ensure_ascii=False,
    )
