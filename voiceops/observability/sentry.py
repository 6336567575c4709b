"""Reports errors to Sentry or a server with its protocol: their place in the code, without data.

The SDK runs without integrations, so that it collects no requests and no users. What leaves this
process is built in `before_send`: the exceptions with their scrubbed messages, files, functions and
lines, and the ids of request and workspace.
"""

import logging
from typing import Any

import sentry_sdk
from sentry_sdk.integrations.logging import EventHandler
from sentry_sdk.types import Event, Hint

from voiceops.observability.structured_logging import current_context, scrub

MAX_QUEUED_EVENTS = 100  # an error that occurs faster than it can be sent is only in the log
KEPT_FIELDS = ("event_id", "timestamp", "platform", "level", "logger", "sdk")
KEPT_FRAME_FIELDS = ("filename", "function", "lineno")
KEPT_CONTEXT = ("request_id", "workspace")


class SentryHandler(EventHandler):
    """A log handler that reports every error. Events are sent by a thread of the SDK."""

    def __init__(self, dsn: str) -> None:
        super().__init__(logging.ERROR)
        sentry_sdk.init(
            dsn=dsn,
            default_integrations=False,
            auto_enabling_integrations=False,
            before_send=scrub_event,
            include_local_variables=False,
            include_source_context=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            transport_queue_size=MAX_QUEUED_EVENTS,
            # Errors only: no sessions, no health reports, and no release looked up with git.
            auto_session_tracking=False,
            send_client_reports=False,
            enable_backpressure_handling=False,
            spotlight=False,
            release="",
        )


def scrub_event(event: Event, hint: Hint) -> Event:
    """Return the event that is sent. It has nothing that is not named here."""
    source: dict[str, Any] = dict(event)
    kept = {name: source[name] for name in KEPT_FIELDS if name in source}
    message = source.get("logentry", {}).get("formatted", "")
    context = {name: value for name, value in current_context().items() if name in KEPT_CONTEXT}
    exceptions = source.get("exception", {}).get("values", [])
    scrubbed: Any = {
        **kept,
        "message": scrub(message),
        "tags": context,
        "exception": {"values": [_scrub_exception(exception) for exception in exceptions]},
    }
    return scrubbed  # type: ignore[no-any-return]  # the SDK's type is a TypedDict of all fields


def _scrub_exception(exception: dict[str, Any]) -> dict[str, Any]:
    frames = (exception.get("stacktrace") or {}).get("frames", [])
    return {
        "type": exception.get("type"),
        "value": scrub(str(exception.get("value") or "")),
        "stacktrace": {
            "frames": [
                {name: frame[name] for name in KEPT_FRAME_FIELDS if name in frame}
                for frame in frames
            ]
        },
    }
