"""Errors about agents and their versions."""

from voiceops.api.error_codes import DocumentedError

AGENT_ERRORS = (
    DocumentedError(
        "agent_not_found",
        404,
        "Agent not found",
        "It does not exist, was deleted, or belongs to another workspace.",
        "List `GET /agents`.",
    ),
    DocumentedError(
        "agent_version_not_found",
        404,
        "Agent version not found",
        "The agent has no published version of this number.",
        "List `GET /agents/{id}/versions`.",
    ),
    DocumentedError(
        "agent_not_published",
        400,
        "Agent is not published",
        "Calls and batches run a published version, and the agent has none.",
        "`POST /agents/{id}/publish`.",
    ),
    DocumentedError(
        "agent_in_use",
        400,
        "Agent is in use by a running batch",
        "An agent cannot be deleted while a batch calls with it.",
        "Stop the batch, or wait until it has ended.",
    ),
    DocumentedError(
        "secret_header_missing",
        400,
        "The secret header … of the tool … is not stored for this server; write its value",
        "`secret_headers` holds the mask `********`, and no value is stored for this tool and the "
        "server of its `url`.",
        "Send the header's value instead of the mask.",
    ),
)
