"""An agent's published configuration, as the conversation reads it.

Unknown keys are ignored and missing ones have the defaults of `docs/agents.md`, so that a worker
serves agents that are newer or older than itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.prompts import render

MAX_CALL_DURATION_SECONDS = 600.0
SILENCE_TIMEOUT_SECONDS = 30.0
TOOL_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Tool:
    """Something the agent can do. `destinations` are names and numbers of a transfer, and `method`
    is how: `refer` or `join`.
    """

    type: str
    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = TOOL_TIMEOUT_SECONDS
    destinations: tuple[Mapping[str, Any], ...] = ()
    method: str = "refer"
    speech_while_running: str = ""


@dataclass(frozen=True)
class Voicemail:
    """What to do when a machine answers; `detection` is `before`, `along` or `off`."""

    action: str = "hang_up"
    message: str = ""
    wait_for_end_seconds: float = 30.0
    detection: str = "before"


@dataclass(frozen=True)
class Screening:
    """What a call screener is answered: who calls, and why."""

    identity: str = ""
    purpose: str = ""
    give_up_after_seconds: float = 20.0


@dataclass(frozen=True)
class TurnEnd:
    """When the callee's turn is over: `detection` is `silence` or `model`; delays in seconds."""

    detection: str = "silence"
    min_delay: float = 0.3
    max_delay: float = 2.5


@dataclass(frozen=True)
class Interruptions:
    enabled: bool = True
    min_words: int = 0
    min_seconds: float = 0.5


@dataclass(frozen=True)
class Silence:
    """Reminders of a silent callee, `remind_after_seconds` apart; none when that is 0."""

    remind_after_seconds: float = 0.0
    reminders: int = 1
    text: str = "Are you still there?"


@dataclass(frozen=True)
class Background:
    """A sound behind the conversation: one of the framework's names, and its volume (0 to 1)."""

    sound: str = ""
    volume: float = 0.3


@dataclass(frozen=True)
class AgentConfig:
    """The configuration of one conversation, with the call's variables filled in."""

    name: str = ""
    system_prompt: str = ""
    first_message: str = ""
    first_message_mode: str = "speak"
    language: str = "en-US"
    llm: Mapping[str, Any] = field(default_factory=dict)
    stt: Mapping[str, Any] = field(default_factory=dict)
    tts: Mapping[str, Any] = field(default_factory=dict)
    tools: tuple[Tool, ...] = ()
    voicemail: Voicemail = Voicemail()
    screening: Screening = Screening()
    turn_end: TurnEnd = TurnEnd()
    interruptions: Interruptions = Interruptions()
    silence: Silence = Silence()
    background: Background = Background()
    max_call_duration_seconds: float = MAX_CALL_DURATION_SECONDS
    silence_timeout_seconds: float = SILENCE_TIMEOUT_SECONDS
    analysis: Mapping[str, Any] = field(default_factory=dict)
    dispositions: tuple[Mapping[str, Any], ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)


def read_agent(config: Mapping[str, Any], variables: Mapping[str, Any]) -> AgentConfig:
    """Return the configuration with `{{name}}` replaced in every text that is spoken or prompted.

    `variables` are complete: the control plane has put the defaults in.
    """
    fill = _Filler(variables)
    return AgentConfig(
        name=_text(config, "name"),
        system_prompt=fill(_text(config, "system_prompt")),
        first_message=fill(_text(config, "first_message")).strip(),
        first_message_mode=_text(config, "first_message_mode") or "speak",
        language=_text(config, "language") or "en-US",
        llm=_section(config, "llm"),
        stt=_section(config, "stt"),
        tts=_section(config, "tts"),
        tools=tuple(_tool(tool) for tool in _items(config, "tools")),
        voicemail=_voicemail(_section(config, "voicemail"), fill),
        screening=_screening(_section(config, "screening"), fill),
        turn_end=_turn_end(_section(config, "turn_taking")),
        interruptions=_interruptions(_section(config, "interruptions")),
        silence=_silence(_section(config, "silence"), fill),
        background=_background(_section(config, "background")),
        max_call_duration_seconds=_number(
            config, "max_call_duration_seconds", MAX_CALL_DURATION_SECONDS
        ),
        silence_timeout_seconds=_number(config, "silence_timeout_seconds", SILENCE_TIMEOUT_SECONDS),
        analysis=_section(config, "analysis"),
        dispositions=_items(config, "dispositions"),
        variables=variables,
    )


@dataclass(frozen=True)
class _Filler:
    variables: Mapping[str, Any]

    def __call__(self, text: str) -> str:
        return render(text, self.variables)


def _tool(tool: Mapping[str, Any]) -> Tool:
    headers = _section(tool, "headers") | _section(tool, "secret_headers")
    return Tool(
        type=_text(tool, "type"),
        name=_text(tool, "name"),
        description=_text(tool, "description"),
        parameters=_section(tool, "parameters"),
        url=_text(tool, "url"),
        headers={name: str(value) for name, value in headers.items()},
        timeout_seconds=_number(tool, "timeout_seconds", TOOL_TIMEOUT_SECONDS),
        destinations=_items(tool, "destinations"),
        method=_text(tool, "method") or "refer",
        speech_while_running=_text(tool, "say_while_running"),
    )


def _voicemail(section: dict[str, Any], fill: _Filler) -> Voicemail:
    return Voicemail(
        action=_text(section, "action") or "hang_up",
        message=fill(_text(section, "message")).strip(),
        wait_for_end_seconds=_number(section, "wait_for_end_seconds", 30.0),
        detection=_text(section, "detection") or "before",
    )


def _screening(section: dict[str, Any], fill: _Filler) -> Screening:
    return Screening(
        identity=fill(_text(section, "identity")).strip(),
        purpose=fill(_text(section, "purpose")).strip(),
        give_up_after_seconds=_number(section, "give_up_after_seconds", 20.0),
    )


def _turn_end(section: dict[str, Any]) -> TurnEnd:
    return TurnEnd(
        detection=_text(section, "detection") or "silence",
        min_delay=_number(section, "min_delay", 0.3),
        max_delay=_number(section, "max_delay", 2.5),
    )


def _interruptions(section: dict[str, Any]) -> Interruptions:
    return Interruptions(
        enabled=section.get("enabled") is not False,
        min_words=int(_number(section, "min_words", 0)),
        min_seconds=_number(section, "min_seconds", 0.5),
    )


def _silence(section: dict[str, Any], fill: _Filler) -> Silence:
    return Silence(
        remind_after_seconds=_number(section, "remind_after_seconds", 0.0),
        reminders=int(_number(section, "reminders", 1)),
        text=fill(_text(section, "text")).strip() or Silence.text,
    )


def _background(section: dict[str, Any]) -> Background:
    return Background(_text(section, "sound"), _number(section, "volume", 0.3))


def _text(section: Mapping[str, Any], key: str) -> str:
    value = section.get(key)
    return value if isinstance(value, str) else ""


def _number(section: Mapping[str, Any], key: str, default: float) -> float:
    value = section.get(key)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else default  # type: ignore[arg-type]  # checked above


def _section(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = config.get(key)
    return dict(value) if isinstance(value, Mapping) else {}


def _items(config: Mapping[str, Any], key: str) -> tuple[Mapping[str, Any], ...]:
    value = config.get(key)
    return (
        tuple(item for item in value if isinstance(item, Mapping))
        if isinstance(value, list)
        else ()
    )
