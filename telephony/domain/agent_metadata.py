"""What a voice agent is told about its call, in the metadata of its dispatch (api-contract.md
section 6).
"""

import json
from typing import Any

from django.conf import settings

from agents.prompts import complete_variables
from telephony.domain import report_tokens
from telephony.models import Call

LONGEST = 512 * 1024  # bytes that LiveKit takes (protocols.md 1.5)


def is_too_long(metadata: str) -> bool:
    return len(metadata.encode()) > LONGEST


def metadata_of(call: Call, config: dict[str, Any]) -> str:
    """JSON. Blank variables have their defaults, so that an agent need only put them in their
    places.
    """
    return json.dumps(
        {
            "call_id": str(call.pk),
            "report_url": f"{settings.PUBLIC_URL}/calls/{call.pk}/report",
            "report_token": report_tokens.mint(call.pk),
            "agent": config,
            "variables": complete_variables(config, call.variables),
        },
        # LiveKit takes 512 KiB, and escapes would double a long prompt in most scripts.
        ensure_ascii=False,
    )
