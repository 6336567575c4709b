"""Providers by name: which class of which package, with which key, and which options.

Keys are in this worker's environment, never in a job. A missing package or key is one sentence, at
the start, in `doctor`, and when a job needs it.
"""

import importlib
import importlib.util
import inspect
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from livekit.agents import inference, llm, stt, tts, vad

from voice.agent_config import AgentConfig
from voice.providers.errors import ProviderError

PART_KINDS = ("llm", "stt", "tts")
CLASS_NAMES = {"llm": "LLM", "stt": "STT", "tts": "TTS"}
# What an agent may not choose: whoever edits an agent would get the worker's keys, or its network.
FORBIDDEN_OPTION = re.compile(
    r"url|endpoint|host|prox|api_?(key|secret)|token$|credential|client|session", re.IGNORECASE
)
# Options of ours, which are no keyword arguments of a provider.
OWN_OPTIONS = {"provider", "model", "fallbacks", "keyterms", "pronunciation", "rules", "otherwise"}
OWN_OPTIONS |= {"phrases"}


BASE_URL, BASE_KEY = "VOICE_OPENAI_BASE_URL", "VOICE_OPENAI_API_KEY"


@dataclass(frozen=True)
class Provider:
    """`keys` are the variables of which each must be set; `parts` what it can do."""

    name: str
    module: str
    keys: tuple[str, ...]
    parts: tuple[str, ...] = PART_KINDS
    # Our option -> the keyword argument of its classes.
    renamed: Mapping[str, str] = field(default_factory=dict)


PROVIDERS = {
    provider.name: provider
    for provider in (
        Provider("openai", "livekit.plugins.openai", ("OPENAI_API_KEY",)),
        Provider("anthropic", "livekit.plugins.anthropic", ("ANTHROPIC_API_KEY",), ("llm",)),
        Provider(
            "google",
            "livekit.plugins.google",
            ("GOOGLE_API_KEY",),
            renamed={"voice": "voice_name", "speed": "speaking_rate"},
        ),
        Provider(
            "azure",
            "livekit.plugins.azure",
            ("AZURE_SPEECH_KEY", "AZURE_SPEECH_REGION"),
            ("stt", "tts"),
        ),
        Provider("deepgram", "livekit.plugins.deepgram", ("DEEPGRAM_API_KEY",), ("stt", "tts")),
        Provider("cartesia", "livekit.plugins.cartesia", ("CARTESIA_API_KEY",), ("stt", "tts")),
        Provider(
            "elevenlabs",
            "livekit.plugins.elevenlabs",
            ("ELEVEN_API_KEY",),
            ("stt", "tts"),
            renamed={"voice": "voice_id"},
        ),
        Provider("groq", "livekit.plugins.groq", ("GROQ_API_KEY",)),
        Provider(
            "aws",
            "livekit.plugins.aws",
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ),
        # Any server that speaks OpenAI's protocol.
        Provider("openai_compatible", "livekit.plugins.openai", (BASE_URL,), ("llm",)),
        Provider("local", "voice.providers.local", ()),
    )
}


@dataclass(frozen=True)
class Parts:
    """What a session is made of. A talk in text has a model alone."""

    llm: llm.LLM[Any]
    stt: Any = None
    tts: Any = None
    vad: Any = None
    turn_detection: Any = "manual"


def make_parts(config: AgentConfig, *, has_sound: bool = True) -> Parts:
    """Return the agent's model, ears and voice. Raises ProviderError with one sentence."""
    model = make("llm", config.llm, config)
    if not has_sound:
        # None, not an absent argument: that would load the bundled models.
        return Parts(llm=model)
    return Parts(
        llm=model,
        stt=make("stt", config.stt, config),
        tts=make("tts", config.tts, config),
        vad=inference.VAD(model="silero"),
        turn_detection=_turn_detection(config),
    )


def _turn_detection(config: AgentConfig) -> Any:
    # The small model runs here; the other streams the callee's voice to LiveKit's service.
    if config.turn_end.detection == "model":
        return inference.TurnDetector(version="v1-mini")
    return "vad"


def make(kind: str, options: Mapping[str, Any], config: AgentConfig) -> Any:
    """Return an instance, or an adapter over it and its fallbacks. Raises ProviderError."""
    first = make_one(kind, options, config)
    fallbacks = [item for item in options.get("fallbacks") or [] if isinstance(item, Mapping)]
    if not fallbacks:
        return first
    instances = [first, *(make_one(kind, item, config) for item in fallbacks)]
    if kind == "llm":
        return llm.FallbackAdapter(instances)
    if kind == "tts":
        return tts.FallbackAdapter(instances)
    return stt.FallbackAdapter(instances, vad=_fallback_vad(instances))


def _fallback_vad(instances: list[Any]) -> "vad.VAD | None":
    streams = all(instance.capabilities.streaming for instance in instances)
    return None if streams else inference.VAD(model="silero")


def make_one(kind: str, options: Mapping[str, Any], config: AgentConfig) -> Any:
    """Return one provider's instance. Raises ProviderError."""
    name = str(options.get("provider") or default_provider())
    fault = find_fault(name, kind)
    if fault is not None:
        raise ProviderError(fault)
    provider = PROVIDERS[name]
    if name == "local":
        maker: Callable[..., Any] = importlib.import_module(provider.module).make_local
        return maker(kind, options, config)
    made_by = getattr(importlib.import_module(provider.module), CLASS_NAMES[kind])
    arguments = _arguments(made_by, kind, provider, options, config)
    try:
        return made_by(**arguments)
    except (TypeError, ValueError) as error:
        raise ProviderError(f"{name} refuses the options of `{kind}`: {error}") from error


def default_provider() -> str:
    """Return what an agent without a provider uses: `VOICE_DEFAULT_PROVIDER`, else `local`."""
    return os.environ.get("VOICE_DEFAULT_PROVIDER") or "local"


def find_fault(name: str, kind: str) -> str | None:
    """Return in one sentence why a provider cannot be used for a part, or None."""
    provider = PROVIDERS.get(name)
    if provider is None:
        known = ", ".join(PROVIDERS)
        return f"No worker here knows the provider {name!r}; there are {known}"
    if kind not in provider.parts:
        return f"{name} has no {kind}; it has {', '.join(provider.parts)}"
    if not has_package(provider):
        return f"{name} needs the package {provider.module.replace('.', '-')}"
    if has_keys(provider):
        return None
    return f"{name} needs {' and '.join(_missing_keys(provider))} in this worker's environment"


def has_package(provider: Provider) -> bool:
    """Whether the provider's package is installed."""
    return importlib.util.find_spec(provider.module) is not None


def has_keys(provider: Provider) -> bool:
    """Whether this worker's environment has the provider's keys."""
    return not _missing_keys(provider)


def _missing_keys(provider: Provider) -> list[str]:
    return [key for key in provider.keys if not os.environ.get(key)]


def needed_providers(agent: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what an agent's configuration asks of a worker: provider and part, the fallbacks'
    too.
    """
    return [
        (str(options.get("provider") or default_provider()), kind)
        for kind in PART_KINDS
        for options in _options_of(agent.get(kind))
    ]


def _options_of(section: Any) -> list[Mapping[str, Any]]:
    if not isinstance(section, Mapping):
        return [{}]
    fallbacks = section.get("fallbacks") or []
    return [section, *(item for item in fallbacks if isinstance(item, Mapping))]


def _arguments(
    made_by: Any, kind: str, provider: Provider, options: Mapping[str, Any], config: AgentConfig
) -> dict[str, Any]:
    """Return keyword arguments. Raises ProviderError for an option that the class has not."""
    accepted = inspect.signature(made_by.__init__).parameters
    is_open = any(item.kind is inspect.Parameter.VAR_KEYWORD for item in accepted.values())
    given = {
        provider.renamed.get(key, key): value
        for key, value in options.items()
        if key not in OWN_OPTIONS
    }
    if options.get("model"):
        given["model"] = options["model"]
    if kind == "stt" and options.get("keyterms"):
        given[next((key for key in KEYTERM_NAMES if key in accepted), "keyterms")] = list(
            options["keyterms"]
        )
    if kind in ("stt", "tts") and "language" in accepted:
        given.setdefault("language", config.language)
    forbidden = [key for key in options if FORBIDDEN_OPTION.search(key)]
    if forbidden:
        raise ProviderError(f"`{kind}.{forbidden[0]}` is set in the worker's environment alone")
    unknown = [key for key in given if key not in accepted and not is_open]
    if unknown:
        raise ProviderError(f"{provider.name} has no option {', '.join(unknown)} for `{kind}`")
    if provider.name == "openai_compatible":
        # Servers of one's own want no key, but the client does.
        key = os.environ.get(BASE_KEY) or "none"
        return {**given, "base_url": os.environ[BASE_URL], "api_key": key}
    return given


KEYTERM_NAMES = ("keyterms", "keyterm", "keywords", "phrase_list")
