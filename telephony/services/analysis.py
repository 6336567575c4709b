"""The analysis of a call, which the agent reports and the timeline stores."""

from typing import Any

from telephony.models import Call, CallEvent
from voiceops.core.errors import NotFound


def get_analysis(call: Call) -> dict[str, Any]:
    """Return the call's newest analysis. Raises NotFound while there is none."""
    event = call.events.filter(type="analysis").order_by("-pk").first()
    if event is None:
        raise NotFound("Analysis not found")
    return serialize_analysis(event)


def serialize_analysis(event: CallEvent) -> dict[str, Any]:
    """Return an event of type `analysis` as the API and webhooks serialize it."""
    return {
        "summary": event.data["summary"],
        "fields": event.data["fields"],
        "analyzed_at": event.at,
    }
