"""What drf-spectacular is told about the OpenAPI document."""

from typing import Any

DOCUMENT_SETTINGS: dict[str, Any] = {
    "TITLE": "VoiceOps",
    "DESCRIPTION": "Operations platform for AI voice agents on the phone.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.0",
    "SERVERS": [{"url": "/", "description": "This server"}],
    "CONTACT": {"name": "Whoever runs this server"},
    "LICENSE": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}
