"""The operations of monitoring, whose views the OpenAPI generator does not see."""

from typing import Any

from voiceops.api.document_errors import error_response
from voiceops.api.error_codes import find_error
from voiceops.api.schema_types import REF

TEXT = {"type": "string"}
MONITORING = "monitoring"
MONITORING_TEXT = "For load balancers and Prometheus: no credentials, no workspace."
PROBE_STATUS = {
    "type": "object",
    "description": "Whether the server is alive or ready.",
    "required": ["status"],
    "properties": {
        "status": {**TEXT, "enum": ["alive", "ready"], "description": "how it is"},
        "checks": {
            "type": "object",
            "additionalProperties": TEXT,
            "description": "What was checked, each with `ok` or what is wrong with it.",
        },
    },
}


def add_probes(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """A postprocessing hook."""
    result["components"]["schemas"]["ProbeStatus"] = PROBE_STATUS
    result["tags"].append({"name": MONITORING, "description": MONITORING_TEXT})
    alive = {"status": "alive"}
    ready = {"status": "ready", "checks": {"database": "ok", "broker": "ok", "livekit": "ok"}}
    result["paths"] |= {
        "/healthz": _probe("healthz", "Is it alive", "Whether the process answers.", _json(alive)),
        "/readyz": _probe(
            "readyz",
            "Is it ready",
            "Whether database, broker and LiveKit can be reached; 503 if not, and `checks` says "
            "which.",
            _json(ready),
        ),
        "/metrics": _probe(
            "metrics",
            "Metrics for Prometheus",
            "Calls, outcomes, waiting work and latencies, in the text format 0.0.4.",
            {"text/plain": {"schema": TEXT, "example": "voiceops_calls_total 120\n"}},
        ),
    }
    return result


def _probe(name: str, summary: str, description: str, content: dict[str, Any]) -> dict[str, Any]:
    refused = find_error("Method not allowed")
    unreachable = find_error("Not ready: livekit")
    assert refused is not None
    assert unreachable is not None
    return {
        "get": {
            "operationId": f"monitoring_{name}",
            "summary": summary,
            "description": description,
            "tags": [MONITORING],
            "security": [],
            "responses": {
                "200": {"description": "It is.", "content": content},
                "405": error_response([refused]),
                "503": error_response([unreachable]),
            },
        }
    }


def _json(example: dict[str, Any]) -> dict[str, Any]:
    schema = {"$ref": f"{REF}ProbeStatus"}
    return {"application/json": {"schema": schema, "example": example}}
