"""The OpenAPI description of the plain views, which drf-spectacular cannot see."""

from typing import Any

from telephony.services.agent_reports import REPORT_HANDLERS
from voiceops.api.schema import TEXT_SCHEMA

EVENT = {
    "type": "object",
    "required": ["id", "type", "at"],
    "properties": {
        "id": TEXT_SCHEMA,
        "type": {**TEXT_SCHEMA, "enum": [*REPORT_HANDLERS]},
        "at": {**TEXT_SCHEMA, "format": "date-time"},
    },
    "additionalProperties": True,
}
REPORT = {
    "type": "object",
    "required": ["events"],
    "properties": {"events": {"type": "array", "items": EVENT}},
}
CALL_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {**TEXT_SCHEMA, "format": "uuid"},
}
DETAIL = {"application/json": {"schema": {"$ref": "#/components/schemas/Detail"}}}
MISTAKES = {"application/json": {"schema": {"$ref": "#/components/schemas/Mistakes"}}}


def add_plain_views(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Describe the two views; a postprocessing hook that runs after the one for errors."""
    schemes = result["components"].setdefault("securitySchemes", {})
    schemes["callToken"] = {
        "type": "http",
        "scheme": "bearer",
        "description": "`report_token` of the job's metadata",
    }
    schemes["liveKitToken"] = {"type": "apiKey", "in": "header", "name": "Authorization"}
    result["paths"]["/calls/{id}/report"] = {
        "post": {
            "operationId": "calls_report_create",
            "description": "What the voice agent saw. Events with a known `id` change nothing. "
            "The answer `Call has ended` asks the agent to leave the room.",
            "parameters": [CALL_ID],
            "tags": ["calls"],
            "security": [{"callToken": []}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": REPORT}}},
            "responses": _responses(
                {"422": {"description": "The schema failed", "content": MISTAKES}}
            ),
        }
    }
    result["paths"]["/livekit/webhook"] = {
        "post": {
            "operationId": "livekit_webhook_create",
            "description": "LiveKit's events, signed by LiveKit.",
            "tags": ["livekit"],
            "security": [{"liveKitToken": []}],
            "requestBody": {
                "required": True,
                "content": {"application/webhook+json": {"schema": {"type": "object"}}},
            },
            "responses": _responses({}),
        }
    }
    return result


def _responses(more: dict[str, Any]) -> dict[str, Any]:
    received = {"description": "Received", "content": DETAIL}
    return {
        "200": received,
        **more,
        "default": {"description": "Any other error", "content": DETAIL},
    }
