"""The bodies of webhooks, as OpenAPI 3.1 describes what a server sends."""

import copy
from typing import Any

from voiceops.api.schema_types import REF
from webhooks.events import RECIPIENT_EVENT_FIELDS
from webhooks.models import EVENTS, TEST_EVENT
from webhooks.openapi.operations import WEBHOOK_EXAMPLES

TEXT = {"type": "string"}
EVENT_TEXTS = {
    "call.started": ("A phone is being called", "CallEventPayload"),
    "call.answered": ("A human or a machine answered", "CallEventPayload"),
    "call.ended": ("A call is over, answered or not", "CallEventPayload"),
    "call.recording_ready": ("A recording can be fetched", "CallEventPayload"),
    "call.analyzed": ("The agent reported its analysis", "CallAnalyzedPayload"),
    "call.disposition": ("Somebody set how a call went", "CallDispositionPayload"),
    "batch.started": ("A batch began to call", "BatchEventPayload"),
    "batch.paused": ("A batch was paused, or paused itself", "BatchEventPayload"),
    "batch.resumed": ("A batch goes on", "BatchEventPayload"),
    "batch.completed": ("A batch has called everybody", "BatchEventPayload"),
    "batch.stopped": ("A batch was stopped for good", "BatchEventPayload"),
    "batch.failed": ("A list could not be used", "BatchEventPayload"),
    "recipient.finished": ("A recipient will not be called again", "RecipientEventPayload"),
    "callback.scheduled": ("A callback was planned", "CallbackEventPayload"),
    "callback.done": ("A callback was made", "CallbackEventPayload"),
    "callback.missed": ("A callback was not made within an hour", "CallbackEventPayload"),
    TEST_EVENT: ("A test was asked for", "TestEventPayload"),
}
DESCRIPTION = (
    "Sent to every webhook that has this event. Any 2xx within 15 seconds counts as received; "
    "everything else is sent again, with the same `webhook-id`, for three days. `data` is the "
    "object's state when the event was collected, a second or two after `timestamp`."
)
MORE_ABOUT = {
    "call.answered": (
        " An answer that becomes known only after the call had ended is sent after `call.ended`, "
        "with the corrected call."
    ),
    "call.ended": (
        " Sent once: what becomes known later is in `GET /calls/{id}`; an answer among it is sent "
        "as `call.answered`."
    ),
}
HEADERS = {
    "webhook-id": "The same on every attempt; remember those you have processed.",
    "webhook-timestamp": "When this attempt was sent, in Unix seconds.",
    "webhook-signature": "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.",
}


def add_payloads(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """A postprocessing hook that adds `webhooks` and the types of their bodies."""
    schemas = result["components"]["schemas"]
    call, more = {"$ref": f"{REF}Call"}, {"type": ["string", "null"]}
    schemas |= {
        "RecipientFinished": _finished_recipient(schemas["Recipient"]),
        "CallAnalyzed": _extended(schemas["Call"], analysis={"$ref": f"{REF}CallAnalysis"}),
        "CallDispositionSet": _extended(schemas["Call"], note=more),
        "WebhookTest": {
            "type": "object",
            "description": "The data of a test.",
            "required": ["webhook_id", "message"],
            "properties": {"webhook_id": {**TEXT, "format": "uuid"}, "message": TEXT},
        },
    }
    data = {
        "CallEventPayload": call,
        "CallAnalyzedPayload": {"$ref": f"{REF}CallAnalyzed"},
        "CallDispositionPayload": {"$ref": f"{REF}CallDispositionSet"},
        "BatchEventPayload": {"$ref": f"{REF}Batch"},
        "RecipientEventPayload": {"$ref": f"{REF}RecipientFinished"},
        "CallbackEventPayload": {"$ref": f"{REF}Callback"},
        "TestEventPayload": {"$ref": f"{REF}WebhookTest"},
    }
    for name, inner in data.items():
        events = [event for event, (_, payload) in EVENT_TEXTS.items() if payload == name]
        schemas[name] = _payload(events, inner)
    result["webhooks"] = {event: {"post": _delivery(event)} for event in (*EVENTS, TEST_EVENT)}
    return result


def _payload(events: list[str], data: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": f"The body of {', '.join(f'`{event}`' for event in events)}.",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {**TEXT, "enum": events},
            "timestamp": {**TEXT, "format": "date-time", "description": "When it happened."},
            "data": data,
        },
    }


def _extended(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    extended = copy.deepcopy(schema)
    extended["properties"] |= more
    extended["required"] = [*extended["required"], *more]
    return extended


def _finished_recipient(recipient: dict[str, Any]) -> dict[str, Any]:
    names = [name for name in (*RECIPIENT_EVENT_FIELDS, "variables") if name != "batch_id"]
    properties = {name: copy.deepcopy(recipient["properties"][name]) for name in names}
    properties["batch_id"] = {**TEXT, "format": "uuid"}
    return {
        "type": "object",
        "description": "A recipient who will not be called again.",
        "required": sorted(properties),
        "properties": properties,
    }


def _delivery(event: str) -> dict[str, Any]:
    summary, payload = EVENT_TEXTS[event]
    example = {**WEBHOOK_EXAMPLES[payload], "type": event}
    content = {
        "schema": {"$ref": f"{REF}{payload}"},
        "examples": {"example": {"summary": summary, "value": example}},
    }
    return {
        "operationId": f"on_{event.replace('.', '_')}",
        "summary": summary,
        "description": DESCRIPTION + MORE_ABOUT.get(event, ""),
        "tags": ["webhooks"],
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "schema": TEXT, "description": text}
            for name, text in HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {
            "200": {"description": "Received."},
            "410": {"description": "Disables the webhook: nothing more is sent."},
        },
    }
