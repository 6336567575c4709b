"""What the collector has stored."""

import json
from typing import Any

from accounts.models import Workspace


def events_of(workspace: Workspace) -> list[tuple[str, Any]]:
    """Type and data of every event, in the order they were stored."""
    return [
        (event.type, json.loads(event.body)["data"])
        for event in workspace.webhook_events.order_by("pk")
    ]
