"""What a voice agent learns about its call, in the metadata of its dispatch.

`docs/reference/api-contract.md §6` gives its shape.
"""

import json
from typing import Any

from django.conf import settings

from agents.prompts import complete_variables
from telephony.domain import report_tokens
from telephony.models import Call

# LiveKit accepts no more (`docs/reference/protocols.md §1.5`).
MAX_METADATA_BYTES = 512 * 1024


def is_too_long(metadata: str) -> bool:
    """Return whether LiveKit would refuse the metadata for its size."""
    return len(metadata.encode()) > MAX_METADATA_BYTES


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
