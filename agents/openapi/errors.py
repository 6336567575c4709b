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
    DocumentedError(
        "rehearsal_not_found",
        404,
        "Rehearsal not found",
        "The agent has no such rehearsal; the newest fifty are kept.",
        "List `GET /agents/{id}/rehearsals`.",
    ),
    DocumentedError(
        "agent_without_scripts",
        400,
        "Agent has no scripts",
        "A rehearsal is a run of the agent's scripts, and it has none.",
        "Write some: `PUT /agents/{id}/scripts`.",
    ),
    DocumentedError(
        "script_not_found",
        400,
        "No script has the label or tag …",
        "`scripts` of a rehearsal names labels and tags of the agent's scripts.",
        "Use one that `GET /agents/{id}/scripts` has, or leave `scripts` out for all.",
    ),
    DocumentedError(
        "call_without_transcript",
        400,
        "The call … has no transcript to replay",
        "It has not ended, nobody spoke on it, or its transcript was deleted after the time for "
        "which the workspace keeps them.",
        "Choose calls whose `GET /calls/{id}/transcript` has turns.",
    ),
    DocumentedError(
        "too_many_rehearsals",
        400,
        "Too many rehearsals are waiting",
        "Ten of a workspace may wait or run at the same time.",
        "Wait until one is over: `GET /agents/{id}/rehearsals`.",
    ),
    DocumentedError(
        "rehearsal_required",
        400,
        "Rehearsal required",
        "`publish_requires` of the workspace names tags, and this draft has not been rehearsed "
        "with every script that has one of them, or no script has one of them.",
        "`POST /agents/{id}/rehearsals`, and publish when it has passed.",
    ),
    DocumentedError(
        "rehearsal_failed",
        400,
        "Rehearsal failed",
        "A script with a tag that the workspace requires has failed with this draft.",
        "Read why, `GET /agents/{id}/rehearsals/{rehearsal_id}`; change the draft and rehearse it.",
    ),
    DocumentedError(
        "yaml_unreadable",
        400,
        "The YAML cannot be read…",
        "The body is no YAML, or has aliases, tags, names that are no text, or more than 32 "
        "levels.",
        "Correct the line that the sentence names.",
    ),
)
