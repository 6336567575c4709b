"""How a batch is followed: by its event stream, or by asking again where there is none."""

from dataclasses import dataclass, field

import httpx

from voiceops.errors import ConnectionFailed
from voiceops.models import Progress
from voiceops.requests import Request

ENDED_STATUSES = frozenset({"completed", "stopped", "failed"})
POLL_SECONDS = 2.0
EVENT_STREAM = "text/event-stream"
# A stream sends an event a second, and a server that counts a long list one every few seconds.
MOST_FAILURES = 10


def progress_request(batch_id: str) -> Request:
    # A proxy may not pass a stream on: then the answer is one progress, as JSON.
    accept = f"{EVENT_STREAM}, application/json;q=0.9"
    return Request("GET", f"/batches/{batch_id}/progress", accept=accept)


def is_stream(response: httpx.Response) -> bool:
    content_type: str = response.headers.get("Content-Type", "")
    return content_type.startswith(EVENT_STREAM)


@dataclass
class Watch:
    """What is known of a batch that is followed over several streams."""

    latest: Progress | None = None
    failures: int = 0
    lines: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return self.latest is not None and self.latest.status in ENDED_STATUSES

    def read(self, body: str | bytes) -> Progress:
        """Return the progress of an event, or of a body."""
        self.latest = Progress.model_validate_json(body)
        self.failures = 0
        return self.latest

    def read_line(self, line: str) -> Progress | None:
        """Return the progress that a line of a stream completes: events end in an empty line."""
        if line:
            name, _, value = line.partition(":")
            self.lines += [value.removeprefix(" ")] if name == "data" else []
            return None
        if not self.lines:
            return None
        body = "\n".join(self.lines)
        self.lines.clear()
        return self.read(body)

    def begin_stream(self) -> None:
        """Forget half of an event, with which the stream before may have ended."""
        self.lines.clear()

    def record_failure(self, error: ConnectionFailed) -> None:
        """Raises the error when the server has been away for too long."""
        self.failures += 1
        if self.failures > MOST_FAILURES:
            raise error
