"""Agents, in words and examples."""

from typing import Any

from voiceops.api.example_ids import AGENT_ID, OTHER_ID
from voiceops.api.operations import Operation

UNPUBLISHED = "agent_settings_too_long"
AGENT_TAGS = {
    "agents": "Voice agents: their prompt, models, tools and variables, as draft and as published "
    "versions."
}
AGENT_OPERATIONS = {
    "agents_list": Operation(
        "List agents", "Newest first. `search` finds a part of the name; deleted ones are gone."
    ),
    "agents_create": Operation(
        "Create an agent",
        "The agent begins as a draft, which no call runs before it is published. `{{name}}` in "
        "the prompt and the first message stands for a variable of the call.",
    ),
    "agents_get": Operation(
        "Get an agent",
        "The draft. `version` counts its changes, `published_version` is what calls run.",
    ),
    "agents_replace": Operation(
        "Replace an agent's draft", "Fields that are left out get their defaults."
    ),
    "agents_update": Operation(
        "Change an agent's draft",
        "Only the fields that are given. Nested objects are replaced as a whole.",
    ),
    "agents_delete": Operation(
        "Delete an agent",
        "Its calls stay. Numbers that it answered have no inbound agent any more.",
        "agent_in_use",
    ),
    "agents_publish": Operation(
        "Publish an agent",
        "Freezes the draft as a version that never changes. Calls and batches that are created "
        "from now on run it; those that exist keep theirs. `warnings`, if there are any, say what "
        "no voice worker here can speak with.",
        f"{UNPUBLISHED} rehearsal_required rehearsal_failed",
    ),
    "agents_rollback": Operation(
        "Publish an earlier version again",
        "Makes it the draft too. Changes that were not published are lost.",
        f"agent_version_not_found {UNPUBLISHED}",
    ),
    "agents_duplicate": Operation("Duplicate an agent", "The copy is an unpublished draft."),
    "agents_versions_list": Operation(
        "List an agent's versions", "Everything that was published, newest first."
    ),
    "agents_warnings": Operation(
        "Get what no voice worker can play of an agent",
        "Of the draft: providers, models and languages that no voice worker that has reported here "
        "has. An empty list also while none has reported.",
    ),
    "agents_published_warnings_list": Operation(
        "List what no voice worker can play of published agents",
        "The versions that calls run of which a provider, model or language is at no voice worker "
        "that has reported here; of the 500 newest agents. Empty also while none has reported.",
    ),
    "agents_scripts_get": Operation(
        "Get an agent's scripts",
        "The conversations by which it is rehearsed; an empty list for none. A client that accepts "
        "`application/yaml` gets them in YAML, as they were written.",
    ),
    "agents_scripts_replace": Operation(
        "Write an agent's scripts",
        "In JSON or YAML (`application/yaml`): the file of `python -m voice rehearse` without its "
        "`agent`. A mistake is answered with its place.",
        "yaml_unreadable",
    ),
    "agents_rehearsals_list": Operation("List an agent's rehearsals", "Newest first."),
    "agents_rehearsals_create": Operation(
        "Rehearse an agent",
        "Queues a run of its scripts against the draft, or with `replay` of what the callees of up "
        "to twenty calls said. A worker carries it out and keeps what was said; where no voice "
        "worker is installed, its `status` is `error` and says so. A replay's `results` have both "
        "calls side by side.",
        "agent_without_scripts script_not_found call_without_transcript call_not_found "
        "too_many_rehearsals",
    ),
    "agents_rehearsals_get": Operation(
        "Get a rehearsal",
        "With what came of each script: failures as sentences, and the conversation.",
        "rehearsal_not_found",
    ),
}
REQUEST_EXAMPLE: dict[str, Any] = {
    "name": "Reminder",
    "system_prompt": "Remind {{name}} of the appointment on {{date}}.",
    "first_message": "Hello {{name}}!",
    "llm": {
        "provider": "openai",
        "model": "gpt-4.1",
        "fallbacks": [{"provider": "anthropic", "model": "claude-sonnet-4"}],
    },
    "stt": {"provider": "deepgram", "model": "nova-3", "keyterms": ["VoiceOps"]},
    "tts": {
        "provider": "cartesia",
        "voice": "ada",
        "pronunciation": [{"word": "Dr.", "say": "doctor"}],
    },
    "tools": [
        {
            "type": "transfer_call",
            "name": "transfer",
            "destinations": [{"name": "reception", "number": "+12025550123"}],
            "method": "refer",
            "say_while_running": "One moment, I put you through.",
        },
        {"type": "opt_out", "name": "opt_out"},
        {
            "type": "webhook",
            "name": "move",
            "description": "Moves the appointment to another day",
            "parameters": {"type": "object", "properties": {"day": {"type": "string"}}},
            "url": "https://example.com/move",
        },
    ],
    "variables": [{"name": "name", "required": True}, {"name": "date"}],
    "voicemail": {"action": "leave_message", "message": "Please call back.", "detection": "before"},
    "turn_taking": {"detection": "model", "max_delay": 2},
    "interruptions": {"min_words": 2},
    "silence": {"remind_after_seconds": 8, "reminders": 2, "text": "Are you still there?"},
    "screening": {"identity": "The practice of Dr. Bell", "purpose": "An appointment on {{date}}"},
    "background": {"sound": "office_ambience", "volume": 0.2},
    "analysis": {"summary": True, "fields": []},
    "dispositions": [
        {"name": "confirmed", "label": "Confirmed", "consequence": {"type": "finish"}},
        {
            "name": "call_later",
            "label": "Call later",
            "consequence": {"type": "retry", "delay_minutes": 120},
        },
    ],
}
# What the answer adds.
CONFIG: dict[str, Any] = {
    **REQUEST_EXAMPLE,
    "language": "en-US",
    "max_call_duration_seconds": 600,
    "silence_timeout_seconds": 30,
    "ringing_timeout_seconds": 30,
    "recording_enabled": True,
    "first_message_mode": "speak",
}
SCRIPTS_EXAMPLE: dict[str, Any] = {
    "variables": {"name": "Ada", "date": "Tuesday"},
    "mode": "text",
    "scripts": [
        {
            "label": "moves the appointment",
            "tags": ["smoke"],
            "caller": [
                {
                    "says": "Can we do Friday?",
                    "expect": {"agent_says": "Friday", "tool": "move", "not_tool": "end_call"},
                }
            ],
            "tools": {"move": {"result": "moved"}},
            "end": {"by": "agent", "within_turns": 4},
            "never": ["price"],
        }
    ],
}
REHEARSAL_EXAMPLE: dict[str, Any] = {
    "id": OTHER_ID,
    "agent_id": AGENT_ID,
    "version": 4,
    "mode": "text",
    "scripts": ["smoke"],
    "replay": None,
    "status": "passed",
    "error": None,
    "passed": 1,
    "failed": 0,
    "created_at": "2027-03-01T08:12:00Z",
    "started_at": "2027-03-01T08:12:01Z",
    "ended_at": "2027-03-01T08:12:03Z",
}
AGENT_EXAMPLE: dict[str, Any] = {
    "id": AGENT_ID,
    **CONFIG,
    "version": 4,
    "published_version": 3,
    "created_at": "2027-03-01T08:00:00Z",
    "updated_at": "2027-03-01T08:10:00Z",
}
WARNINGS = ["No voice worker here speaks cartesia (tts): its key is missing"]
AGENT_EXAMPLES: dict[str, Any] = {
    "AgentRequest": REQUEST_EXAMPLE,
    "Agent": AGENT_EXAMPLE,
    "PublishedAgent": {**AGENT_EXAMPLE, "published_version": 4, "warnings": WARNINGS},
    "AgentWarnings": {"warnings": WARNINGS},
    "UnspokenVersion": {
        "agent_id": AGENT_ID,
        "name": CONFIG["name"],
        "version": 3,
        "warnings": WARNINGS,
    },
    "AgentVersion": {"version": 3, **CONFIG, "created_at": "2027-03-01T08:05:00Z"},
    "PatchedAgentRequest": {"first_message": "Hello {{name}}, the clinic calling."},
    "RollbackRequest": {"version": 2},
    "Scripts": SCRIPTS_EXAMPLE,
    "ScriptsRequest": SCRIPTS_EXAMPLE,
    "RehearsalOrderRequest": {"scripts": ["smoke"], "mode": "text"},
    "Rehearsal": REHEARSAL_EXAMPLE,
    "RehearsalDetail": {
        **REHEARSAL_EXAMPLE,
        "results": [
            {
                "name": "moves the appointment",
                "tags": ["smoke"],
                "passed": True,
                "failures": [],
                "end_reason": "agent_hangup",
                "seconds": 0.02,
                "turns": [
                    {"role": "agent", "text": "Hello Ada, this is the clinic."},
                    {"role": "user", "text": "Can we do Friday?"},
                ],
                "tools": [{"name": "move", "arguments": {"day": "Friday"}}],
                "heard": [],
                "replay": None,
            }
        ],
    },
}
