"""How staff edit an agent's settings: rows of labelled fields in place of JSON."""

from django import forms

from accounts.staff.row_fields import (
    PromptWidget,
    RowField,
    RowsWidget,
    choice,
    long_text,
    number,
    raw,
    text,
    tick,
    words,
)
from agents.serializers.conversation import SOUNDS
from agents.serializers.tools import TOOL_TYPES, TRANSFER_METHODS

VARIABLES_FIELD = "id_variables"
CONSEQUENCE_TYPES = ("finish", "retry", "callback", "suppress", "rest", "review")
FIELD_TYPES = ("string", "number", "integer", "boolean")
# Those that the voice worker has; a custom worker's own stays in the select once it is stored.
LLM_PROVIDERS = ("openai", "anthropic", "google", "groq", "aws", "openai_compatible", "local")
SPEECH_PROVIDERS = (
    *("openai", "google", "azure", "deepgram", "cartesia", "elevenlabs", "groq", "aws", "local"),
)


def _one(*fields: RowField) -> RowsWidget:
    return RowsWidget(*fields, is_list=False)


CONFIG_WIDGETS: dict[str, forms.Widget] = {
    "system_prompt": PromptWidget(VARIABLES_FIELD, rows=16),
    "first_message": PromptWidget(VARIABLES_FIELD, rows=3),
    "variables": RowsWidget(
        text("name", "Name"),
        tick("required", "Every row of a list must have it"),
        text("default", "Without a value"),
        add="Add a variable",
    ),
    "tools": RowsWidget(
        choice("type", "Kind", TOOL_TYPES),
        text("name", "Name"),
        text("description", "When to use it"),
        text("url", "Address, of a webhook or MCP server"),
        number("timeout_seconds", "Seconds it may take"),
        choice("method", "How it transfers", TRANSFER_METHODS),
        text("say_while_running", "What is said meanwhile"),
        raw("parameters", "Parameters"),
        add="Add a tool",
    ),
    "dispositions": RowsWidget(
        text("name", "Name"),
        text("label", "In words"),
        choice("consequence.type", "What follows", CONSEQUENCE_TYPES),
        number("consequence.delay_minutes", "After minutes"),
        number("consequence.days", "For days", step="1"),
        add="Add a disposition",
    ),
    "analysis": RowsWidget(
        text("name", "Name"),
        choice("type", "Type", FIELD_TYPES),
        text("description", "What to find out"),
        inside="fields",
        outer=[tick("summary", "Write a summary")],
        add="Add a field",
    ),
    "llm": _one(
        choice("provider", "Provider", LLM_PROVIDERS),
        text("model", "Model"),
        number("temperature", "Temperature"),
    ),
    "stt": _one(
        choice("provider", "Provider", SPEECH_PROVIDERS),
        text("model", "Model"),
        words("keyterms", "Words to expect, with commas"),
    ),
    "tts": _one(
        choice("provider", "Provider", SPEECH_PROVIDERS),
        text("model", "Model"),
        text("voice", "Voice"),
        number("speed", "Speed"),
    ),
    "voicemail": _one(
        choice("action", "At an answering machine", ("hang_up", "leave_message", "continue")),
        choice("detection", "Looked for", ("before", "along", "off")),
        number("wait_for_end_seconds", "Seconds to wait for the end of the greeting"),
        long_text("message", "Message"),
    ),
    "screening": _one(
        text("identity", "Who is calling"),
        text("purpose", "Why"),
        number("give_up_after_seconds", "Give up after seconds"),
    ),
    "turn_taking": _one(
        choice("detection", "End of a turn by", ("model", "silence")),
        number("min_delay", "Seconds at least"),
        number("max_delay", "Seconds at most"),
    ),
    "interruptions": _one(
        choice("enabled", "The callee may interrupt", ((True, "yes"), (False, "no"))),
        number("min_words", "Words at least", step="1"),
        number("min_seconds", "Seconds at least"),
    ),
    "silence": _one(
        number("remind_after_seconds", "Remind after seconds"),
        number("reminders", "Times", step="1"),
        text("text", "Saying"),
    ),
    "background": _one(choice("sound", "Sound", SOUNDS), number("volume", "Volume, 0 to 1")),
}
