"""What happens in a call, event by event, in the shapes of `docs/reference/api-contract.md §6`."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Event = dict[str, Any]


@dataclass
class Journal:
    """The events so far. `on_event` receives each: the reporter, or a rehearsal's display."""

    on_event: Callable[[Event], None] = lambda _: None
    events: list[Event] = field(default_factory=list)

    def add(self, kind: str, /, **data: Any) -> Event:
        """Record an event that happens now, and return it."""
        event = {"id": secrets.token_hex(16), "type": kind, "at": timestamp(), **data}
        self.events.append(event)
        self.on_event(event)
        return event

    def of_type(self, kind: str) -> list[Event]:
        """Return the events of one type, in their order."""
        return [event for event in self.events if event["type"] == kind]


def timestamp(seconds: float | None = None) -> str:
    """Return a Unix time, or now, as the contract writes times."""
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
