"""What the agent found out on a call. It lies on the timeline, where the agent's report put it."""

from typing import Any

from telephony.models import Call, CallEvent
from voiceops.core.errors import NotFound


def get_analysis(call: Call) -> dict[str, Any]:
    """The newest. Raises NotFound until there is one."""
    line = call.events.filter(type="analysis").order_by("-pk").first()
    if line is None:
        raise NotFound("Analysis not found")
    return serialize_analysis(line)


def serialize_analysis(line: CallEvent) -> dict[str, Any]:
    return {"summary": line.data["summary"], "fields": line.data["fields"], "analyzed_at": line.at}
