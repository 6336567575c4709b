"""The OpenAPI description of the plain views, which drf-spectacular cannot see."""

from typing import Any

from telephony.services.report_events import REPORT_HANDLERS
from voiceops.api.schema_types import REF

TEXT = {"type": "string"}
EVENT = {
    "type": "object",
    "description": "Something that the voice agent saw; each type has fields of its own.",
    "required": ["id", "type", "at"],
    "properties": {
        "id": {**TEXT, "description": "The agent's own, so that repeats are recognised."},
        "type": {**TEXT, "enum": [*REPORT_HANDLERS]},
        "at": {**TEXT, "format": "date-time"},
    },
    "additionalProperties": True,
}
REPORT = {
    "type": "object",
    "description": "What the voice agent saw since its last report.",
    "required": ["events"],
    "properties": {
        "events": {"type": "array", "items": {"$ref": f"{REF}AgentReportEventRequest"}},
    },
}
LIVEKIT_EVENT = {
    "type": "object",
    "description": "An event as LiveKit sends it.",
    "additionalProperties": True,
}
WORKER_REPORT = {
    "type": "object",
    "description": "What a voice worker can speak with.",
    "required": ["name", "agent_name", "max_calls", "default_provider", "providers"],
    "properties": {
        "name": {**TEXT, "description": "Its own, such as host and port."},
        "agent_name": {**TEXT, "description": "Under which it waits for calls at LiveKit."},
        "version": TEXT,
        "max_calls": {"type": "integer"},
        "default_provider": {**TEXT, "description": "Of agents that name none."},
        "providers": {
            "type": "array",
            "items": {
                "type": "object",
                "description": "A provider, and what it can do there.",
                "additionalProperties": True,
            },
        },
    },
    "additionalProperties": True,
}
CALL_ID_PARAMETER = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {**TEXT, "format": "uuid"},
}
RECEIVED_RESPONSES = {
    "200": {
        "description": "Received",
        "content": {"application/json": {"schema": {"$ref": f"{REF}Detail"}}},
    }
}


def add_plain_views(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Describe the three views; a postprocessing hook that runs before the one for words."""
    schemes = result["components"].setdefault("securitySchemes", {})
    schemes["callToken"] = {
        "type": "http",
        "scheme": "bearer",
        "description": "`report_token` of the job's metadata, good for one call.",
    }
    schemes["liveKitToken"] = {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "LiveKit's signature of what it sends.",
    }
    result["components"]["schemas"] |= {
        "AgentReportEventRequest": EVENT,
        "AgentReportRequest": REPORT,
        "LiveKitEventRequest": LIVEKIT_EVENT,
        "VoiceWorkerReportRequest": WORKER_REPORT,
    }
    result["paths"]["/calls/{id}/report"] = _post(
        "calls_report", "callToken", "application/json", "AgentReportRequest", [CALL_ID_PARAMETER]
    )
    result["paths"]["/livekit/webhook"] = _post(
        "livekit_webhook", "liveKitToken", "application/webhook+json", "LiveKitEventRequest", []
    )
    result["paths"]["/voice-workers/report"] = _post(
        "voice_workers_report", "liveKitToken", "application/json", "VoiceWorkerReportRequest", []
    )
    return result


def _post(
    name: str, scheme: str, media_type: str, body: str, parameters: list[Any]
) -> dict[str, Any]:
    content = {media_type: {"schema": {"$ref": f"{REF}{body}"}}}
    return {
        "post": {
            "operationId": name,
            "parameters": [dict(parameter) for parameter in parameters],
            "tags": [name.partition("_")[0]],
            "security": [{scheme: []}],
            "requestBody": {"required": True, "content": content},
            "responses": {status: {**answer} for status, answer in RECEIVED_RESPONSES.items()},
        }
    }
