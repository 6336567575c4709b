"""What the provider `local` makes of an agent's options."""

from collections.abc import Mapping
from typing import Any

from voice.agent_config import AgentConfig
from voice.providers.local_ears import LocalSTT
from voice.providers.local_voice import LocalTTS
from voice.providers.local_whisper import WHISPER_MODEL, WhisperSTT
from voice.providers.rules import OTHERWISE, RuleLLM, read_rules


def make_local(kind: str, options: Mapping[str, Any], config: AgentConfig) -> Any:
    """Return the local model, ears or voice. Raises ProviderError."""
    if kind == "llm":
        otherwise = str(options.get("otherwise") or OTHERWISE)
        return RuleLLM(rules=read_rules(options.get("rules") or []), otherwise=otherwise)
    if kind == "stt" and options.get("model") == WHISPER_MODEL:
        keyterms = [str(term) for term in options.get("keyterms") or []]
        return WhisperSTT(keyterms=keyterms, language=config.language)
    if kind == "stt":
        phrases = [*(options.get("phrases") or []), *(options.get("keyterms") or [])]
        return LocalSTT(phrases=[str(phrase) for phrase in phrases], language=config.language)
    return LocalTTS(language=config.language, speed=float(options.get("speed") or 1.0))
